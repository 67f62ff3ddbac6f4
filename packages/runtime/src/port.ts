/**
 * The Runtime port. Shapes only: no behaviour lives here.
 *
 * Lifetimes: a *container* here is one run of one container (from `start` until `destroy`). A runtime keeps a container
 * running when the daemon dies; after a restart the daemon calls `adopt` with the same id.
 *
 * Output: everything the container's main process writes to stdout and stderr is one journal, numbered by byte
 * (`offset` counts the bytes of both streams together, in order of arrival). The runtime (its agent) keeps whatever the
 * sink has not acknowledged, so a daemon that comes back asks again from where its log ends: no gap, no repetition.
 */
import type { Duplex } from 'node:stream';
import type { ContainerFiles } from './files.ts';

export type RunningId = string;

export interface Runtime extends AsyncDisposable {
  /** The word users say: `microvm`, `host`. */
  readonly name: string;
  /** Facts for `docker info`, warnings and the self-check. */
  describe(): RuntimeFacts;
  /** Says that containers like this are likely to be started soon; the runtime may prepare. Never throws, never waits. */
  warm(request: WarmRequest): void;
  /** Waits until what `warm` asked for is ready (self-check and benchmarks use it). */
  warmed(options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Starts a container. When it resolves, the process has been executed. Rejects with a Fault and leaves nothing behind:
   * codes `command-not-found` (Docker's 127), `command-not-executable` (126), `user-not-found`, `cwd-invalid`,
   * `mount-failed`, `sysctl-invalid`, `memory-exhausted`, `disk-full`, `vm-failed`. In a crowd it waits its turn for as long as
   * that takes, or until `signal`; what it does then is limited in time.
   */
  start(spec: ContainerSpec, sink: OutputSink, options?: { signal?: AbortSignal; door?: SocketDoor }): Promise<RunningContainer>;
  /** Takes up a container that survived the daemon. `undefined`: nothing of it runs (any more). */
  adopt(id: RunningId, sink: OutputSink, options?: { signal?: AbortSignal; door?: SocketDoor }): Promise<RunningContainer | undefined>;
  /** Ids that have anything left: a process, a tap, a directory with a writable layer. */
  list(): Promise<RunningId[]>;
  /** Ends whatever is left of that id (processes, taps), keeping the writable layer. Idempotent. */
  stopLeftovers(id: RunningId): Promise<void>;
  /** Deletes the writable layer and everything else of the id. Idempotent. Only for what doesn't run. */
  remove(id: RunningId): Promise<void>;
  /** Ends everything that belongs to no id in `known` (pool, half-made clones of a dead daemon). Called once at start. */
  sweep(known: ReadonlySet<RunningId>): Promise<void>;
  /**
   * The container's files, whether or not it runs: a container that never ran gets its writable layer by this. Held until
   * disposed; a start meanwhile is possible and finds what was written. Faults: those of a start that are not the process's.
   */
  files(request: FilesRequest): Promise<ContainerFiles>;
  /** Bytes of the writable layer on disk; 0 when there is none. */
  writableSize(id: RunningId): Promise<number>;
}

export interface RuntimeFacts {
  readonly name: string;
  /** `kvm`: hardware isolation. `tcg`: software emulation, not a security boundary. `none`: host kernel. */
  readonly acceleration: 'kvm' | 'tcg' | 'none';
  /** Why this acceleration was chosen, in one sentence. */
  readonly verdict: string;
  /** e.g. `QEMU 7.2.22`. */
  readonly version: string;
  /** e.g. `6.1.0-56-amd64`: the kernel containers see. */
  readonly kernel: string;
  readonly warnings: readonly string[];
  /** Templates and pool: `{ flavor, image?, warm }` lines for `docker info`. */
  readonly status: readonly (readonly [string, string])[];
}

export interface WarmRequest {
  readonly rootfs: Rootfs;
  readonly memoryBytes?: number;
  readonly cpus?: number;
}

/** Whose files, and what its machine is like. */
export interface FilesRequest extends WarmRequest {
  readonly id: RunningId;
  /** Directories of the host that are shown at their places when it doesn't run; a running container has its own. */
  readonly mounts?: readonly ShareMount[];
  readonly oneOff?: boolean;
}

export interface Rootfs {
  /** Squashfs files, lowest layer first, whiteouts already in overlayfs form. */
  readonly layers: readonly LayerFile[];
}

export interface LayerFile {
  /** Absolute path of the squashfs file; immutable. */
  readonly path: string;
  /** `sha256:…` diff id of the layer: the identity under which templates are kept. */
  readonly diffId: string;
}

export interface ContainerSpec {
  readonly id: RunningId;
  readonly rootfs: Rootfs;
  /** `docker run --read-only`. */
  readonly readonlyRootfs: boolean;
  readonly process: ProcessSpec;
  readonly hostname: string;
  readonly domainname: string;
  /** Whole contents of the files Docker manages; bind-mounted over the image's. */
  readonly files: { readonly hosts: string; readonly resolvConf: string; readonly hostname: string };
  readonly mounts: readonly Mount[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly networks: readonly NicSpec[];
  /** `docker run --init`: process 1 is a small reaper (the agent's own) and the command its child. */
  readonly init: boolean;
  /** Bytes for /dev/shm; Docker's default is 64 MiB. */
  readonly shmBytes: number;
  /** No other container of this image is likely to be started soon: nothing is prepared for one. */
  readonly oneOff?: boolean;
}

export interface ProcessSpec {
  /** argv; the first is looked up in the container's PATH (from `env`). Never empty. */
  readonly args: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** Absolute; made when it doesn't exist (main process only, as Docker does). */
  readonly cwd: string;
  /** As the user wrote it: `''`, `user`, `uid`, `user:group`, … resolved inside the container. */
  readonly user: string;
  readonly additionalGroups: readonly string[];
  readonly terminal: boolean;
  readonly terminalSize?: TerminalSize;
  /** Keep a pipe (or the terminal's input) open; otherwise the process reads end of file. */
  readonly stdin: boolean;
  readonly rlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Kernel names without CAP_, e.g. `CHOWN`. The bounding, permitted and effective set for uid 0. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What is mounted below the root, in this order; a target that is missing is made. */
export type Mount = TmpfsMount | ShareMount | BlockMount | SocketMount;

export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly target: string;
  /** mount(8) options: `size=64m`, `mode=1777`, `ro`, `noexec`, … */
  readonly options: readonly string[];
}

/** A directory or file of the host's. Several containers may have the same; each sees what the others write. */
export interface ShareMount {
  readonly type: 'share';
  /** Absolute; it exists. */
  readonly source: string;
  /** Below `source`, relative; '' is `source` itself. Nothing in it may be a link. */
  readonly subpath: string;
  readonly target: string;
  readonly readonly: boolean;
  /** With what is mounted below `source`. */
  readonly recursive: boolean;
  /** If it is an empty directory, it gets what the image has at `target` first. */
  readonly copy: boolean;
}

/** A volume on a disk of its own; one container at a time. */
export interface BlockMount {
  readonly type: 'block';
  /** Absolute path of a file with an ext4 file system. */
  readonly disk: string;
  /** Below the volume's root, relative; '' is the root. Nothing in it may be a link. */
  readonly subpath: string;
  readonly target: string;
  readonly readonly: boolean;
  readonly copy: boolean;
}

/** A socket that the daemon serves: see `SocketDoor`. */
export interface SocketMount {
  readonly type: 'socket';
  readonly target: string;
  readonly readonly: boolean;
  /** What the container sees of it, and so who in there may connect. */
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
}

/**
 * Called for each connection that the container makes to a socket mount, named by its target. Gives the other half, at once:
 * one that cannot be had fails by itself. `undefined`: there is no such mount.
 */
export type SocketDoor = (target: string) => Duplex | undefined;

export interface Limits {
  /** Exact limit inside the guest; selects the flavor. Absent: what the flavor has. */
  readonly memoryBytes?: number;
  readonly memorySwapBytes?: number;
  /** Fractions allowed: 1.5 = one and a half CPUs. */
  readonly cpus?: number;
  readonly pids?: number;
}

export interface NicSpec {
  readonly networkId: string;
  /** Name inside the guest: `eth0`, … */
  readonly name: string;
  /** Host bridge to attach to; absent for a network without one (`none`). */
  readonly bridge: string;
  readonly mac: string;
  readonly ipv4: { readonly address: string; readonly prefix: number };
  readonly ipv6?: { readonly address: string; readonly prefix: number };
  /** Default route; absent on internal networks and on all but one. */
  readonly gateway?: string;
  /** The same for IPv6. */
  readonly ipv6Gateway?: string;
  readonly mtu: number;
}

export interface OutputSink {
  /** First byte offset the sink hasn't got: where the journal continues. */
  readonly position: number;
  /**
   * Hands over one piece. Resolves (or returns) when it would survive a crash of the daemon: only then is it
   * acknowledged to the agent. Pieces come in order; `offset` always equals the sink's position.
   */
  write(stream: 'stdout' | 'stderr', data: Buffer, offset: number): void | Promise<void>;
}

export interface RunningContainer {
  readonly id: RunningId;
  /** Host pid of the VM (`State.Pid`). */
  readonly pid: number;
  /** When the main process was executed, milliseconds since the epoch; also after adoption. */
  readonly startedAtMs: number;
  /** Resolves once, after the last byte of output has been given to the sink. Never rejects: a VM that dies is an exit. */
  readonly exited: Promise<ExitStatus>;
  writeStdin(data: Buffer): Promise<void>;
  closeStdin(): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
  /** To process 1 of the container, with the kernel's rules for it. */
  signal(signal: number): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  exec(spec: ProcessSpec, sink: ExecSink, options?: { signal?: AbortSignal }): Promise<RunningExec>;
  processes(): Promise<ProcessRow[]>;
  statistics(): Promise<Statistics>;
  /** Networks that it is on, or half on: a daemon may have died while one was joined or left. */
  networkIds(): readonly string[];
  /** Also for a network that it is on already, whose settings are then those given. */
  connectNetwork(nic: NicSpec): Promise<void>;
  /** A network that it is not on is passed over. */
  disconnectNetwork(networkId: string): Promise<void>;
  /** Rewrites the managed files (a container joined or left a network). */
  updateFiles(files: Partial<ContainerSpec['files']>): Promise<void>;
  updateLimits(limits: Limits): Promise<void>;
  /** Ends the VM, if it still runs, and frees all but the writable layer. Idempotent. */
  destroy(): Promise<void>;
}

export interface ExecSink {
  /** Flow control: the guest process is held back until it resolves. */
  write(stream: 'stdout' | 'stderr', data: Buffer): void | Promise<void>;
}

export interface RunningExec {
  /** Pid inside the container. */
  readonly pid: number;
  /** After the last byte of output has been given to the sink. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  writeStdin(data: Buffer): Promise<void>;
  closeStdin(): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
  signal(signal: number): Promise<void>;
}

export interface ExitStatus {
  /** As Docker counts: the exit code, or 128 + signal. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly finishedAtMs: number;
  /** Set when the VM itself failed rather than the process: a sentence for `State.Error`. */
  readonly error?: string;
}

/** One process of a container, as `ps` would tell it. Ids are those inside the container. */
export interface ProcessRow {
  /** The real user; `euid` and `gid` are the effective ones. */
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly startedAtMs: number;
  readonly cpuMs: number;
  readonly tty: string;
  /** In the group that has the terminal. */
  readonly isForeground: boolean;
  /** As the kernel calls it, 15 characters at most. */
  readonly name: string;
  readonly command: string;
  readonly rssBytes: number;
  readonly virtualBytes: number;
  readonly state: string;
  /** The kernel's PF_ bits. */
  readonly flags: number;
  readonly nice: number;
  /** As in /proc/PID/stat. */
  readonly priority: number;
  readonly schedulingClass: number;
  readonly threads: number;
  readonly processor: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
}

export interface Statistics {
  readonly readAtMs: number;
  readonly cpuUsageNs: number;
  readonly cpuUserNs: number;
  readonly cpuSystemNs: number;
  readonly systemCpuNs: number;
  readonly onlineCpus: number;
  readonly memoryUsageBytes: number;
  readonly memoryCacheBytes: number;
  readonly memoryLimitBytes: number;
  readonly pids: number;
  readonly pidsLimit?: number;
  readonly networks: Readonly<
    Record<
      string,
      {
        rxBytes: number;
        rxPackets: number;
        rxErrors: number;
        rxDropped: number;
        txBytes: number;
        txPackets: number;
        txErrors: number;
        txDropped: number;
      }
    >
  >;
  readonly blockReadBytes: number;
  readonly blockWriteBytes: number;
}
