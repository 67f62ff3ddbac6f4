import type {
  ContainerSpec,
  ExecSink,
  ExitStatus,
  FileAccess,
  Limits,
  NicSpec,
  OutputSink,
  ProcessRow,
  ProcessSpec,
  RunningExec,
  ShareMount,
  SocketDoor,
  Statistics,
  TerminalSize,
} from '@berth/runtime';

/**
 * The host's side of one agent connection, over any Duplex (virtio-serial's chardev socket, or a unix socket).
 *
 * A VM's life, in calls:
 *  template:        hello
 *  image template:  hello, mountLayers, seal           (then the VM is saved)
 *  pool child:      hello, [mountLayers], personalise(entropy, clock, ids), prepare  (scratch bound, everything mounted)
 *  container:       start
 */
export interface GuestAgent extends AsyncDisposable {
  /** Resolves when the connection ended, for whatever reason. */
  readonly closed: Promise<void>;
  /** First message on a connection; `resume` is true when adopting (the stream may begin in the middle of a frame). */
  hello(options?: { resume?: boolean; signal?: AbortSignal }): Promise<AgentState>;
  /** Binds the block devices and mounts the squashfs layers, lowest first, at the places an overlay expects. */
  mountLayers(layers: readonly LayerPlace[]): Promise<void>;
  /** Runs once through what a start will run (a throw-away process), drops what a child must not inherit, syncs. */
  seal(): Promise<void>;
  /** Fresh identity; must come before any tenant code in a clone. 32 bytes or more of entropy. */
  /** `warmUp`: a prepared machine that will wait runs through a start once, so that the real one is quick. */
  personalise(identity: { entropy: Buffer; timeNs: bigint; machineId: string; bootId: string; warmUp?: boolean }): Promise<void>;
  /** Binds the scratch device (making its file system if `format`), mounts the overlay, and forks the container's init. */
  prepare(options: { scratch: BlockDevice; format: boolean }): Promise<void>;
  /** Instead of a start: `files` shows these directories of the host where the container would have them. Once. */
  showVolumes(mounts: readonly ShareMount[]): Promise<void>;
  /** Network, files, limits, user, exec. Resolves when exec succeeded. Faults as `Runtime.start`. */
  start(spec: ContainerSpec): Promise<{ startedAtMs: number }>;
  /** Begins delivery of the journal from the sink's position; call once after `start` or after an adopting `hello`. */
  follow(sink: OutputSink): void;
  /** Answers connections that the container makes to its socket mounts; without it they are hung up on. */
  serveSockets(door: SocketDoor): void;
  /** The main process's end, after its last output was acknowledged. */
  readonly exited: Promise<ExitStatus>;
  writeStdin(data: Buffer): Promise<void>;
  closeStdin(): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
  signal(signal: number): Promise<void>;
  freeze(frozen: boolean): Promise<void>;
  exec(spec: ProcessSpec, sink: ExecSink): Promise<RunningExec>;
  processes(): Promise<ProcessRow[]>;
  statistics(): Promise<Statistics>;
  configureNetwork(nic: NicSpec, device: NetworkDevice): Promise<void>;
  removeNetwork(name: string): Promise<void>;
  updateFiles(files: Partial<ContainerSpec['files']>): Promise<void>;
  updateLimits(limits: Limits): Promise<void>;
  /** The container's files, from `prepare` on, whether or not it runs. */
  readonly files: FileAccess;
  /** Flushes file systems so that the scratch image is consistent, then powers the VM off (or, on the host, ends). */
  shutdown(): Promise<void>;
}

/** Which of the VM's virtio block devices: counted in the order of the command line. */
export interface BlockDevice {
  readonly index: number;
}

/** A layer's file system: a whole device, or a part of one that several share, in whole sectors. */
export interface LayerPlace {
  readonly device: BlockDevice;
  readonly part?: { readonly offsetBytes: number; readonly sizeBytes: number };
}

/** Which of the VM's virtio network devices: counted in the order of the command line; unbound until used. */
export interface NetworkDevice {
  readonly index: number;
}

export interface AgentState {
  readonly protocolVersion: number;
  readonly agentVersion: string;
  readonly kernel: string;
  readonly phase: 'fresh' | 'layers-mounted' | 'sealed' | 'prepared' | 'running' | 'exited';
  /** While `running` or `exited`. */
  readonly startedAtMs?: number;
}
