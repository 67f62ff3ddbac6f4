/** The engine as the API edges see it. Everything that changes something is done when its promise resolves. */
import type { Images } from '@berth/images';
import type { NetworkDefinition, EndpointDefinition, PortPublication, PortRequest } from '@berth/network';
import type { ProcessRow, RuntimeFacts, Statistics, TerminalSize } from '@berth/runtime';
import type { MountPoint, NewVolume, VolumeView } from './volumes/port.ts';

export type * from './volumes/port.ts';

/** What is wanted: immutable after create, but for name and restart count. */
export interface ContainerDefinition {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly createdAtMs: number;
  readonly imageId: string;
  /** As the user wrote it (`Config.Image`). */
  readonly imageReference: string;
  readonly runtime: string;
  /** Entrypoint and command joined; never empty. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly additionalGroups: readonly string[];
  readonly terminal: boolean;
  readonly openStdin: boolean;
  /** Close stdin when the first attached client goes (Docker's StdinOnce). */
  readonly stdinOnce: boolean;
  readonly hostname: string;
  readonly domainname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: number;
  readonly stopTimeoutSeconds: number;
  readonly init: boolean;
  readonly readonlyRootfs: boolean;
  readonly mounts: readonly MountPoint[];
  readonly rlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly shmBytes: number;
  readonly memoryBytes?: number;
  readonly memorySwapBytes?: number;
  readonly cpus?: number;
  readonly pids?: number;
  /** `name:address` lines for /etc/hosts (`--add-host`). */
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly ports: readonly PortRequest[];
  /** Remove the container when it ends (`--rm`). */
  readonly autoRemove: boolean;
  /** Networks to join at create, first the one that carries the default route. Empty with `--network none`. */
  readonly networks: readonly NetworkRequest[];
  /** The API personality's own view (Docker's Config and HostConfig), kept verbatim to give back in inspect. */
  readonly personality: Readonly<Record<string, unknown>>;
}

export interface NetworkRequest {
  /** Name or id. */
  readonly network: string;
  readonly ipv4?: string;
  readonly mac?: string;
  readonly aliases: readonly string[];
}

export type NewContainer = Omit<ContainerDefinition, 'id' | 'createdAtMs' | 'name' | 'hostname'> & {
  /** Absent: the engine makes one up, as Docker does (`adjective_noun`). */
  readonly name?: string;
  /** Empty: the first 12 digits of the id. */
  readonly hostname: string;
};

export type ContainerPhase = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface ContainerState {
  readonly phase: ContainerPhase;
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  /** 0 when it never happened. */
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
}

export interface ContainerView {
  readonly definition: ContainerDefinition;
  readonly state: ContainerState;
  readonly endpoints: readonly EndpointView[];
  /** Concrete bindings while it runs. */
  readonly publications: readonly PortPublication[];
  readonly restartCount: number;
  readonly execIds: readonly string[];
  readonly logPath: string;
}

export interface EndpointView extends EndpointDefinition {
  readonly networkName: string;
  readonly aliases: readonly string[];
  /** The user asked for this address. */
  readonly requestedIpv4?: string;
  /** Connected in the running guest (addresses count only then in Docker's inspect). */
  readonly active: boolean;
}

/** One record of a container's log. */
export interface LogRecord {
  readonly stream: 'stdout' | 'stderr';
  readonly timeNs: bigint;
  readonly data: Buffer;
}

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Inclusive lower and exclusive upper bound, nanoseconds since the epoch. */
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  /** Number of last lines; absent: all. */
  readonly tail?: number;
  readonly signal: AbortSignal;
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay what was logged before. */
  readonly logs: boolean;
  /** Stay attached; false: end after the logs. */
  readonly stream: boolean;
  readonly signal: AbortSignal;
}

/** A live connection to a container's or exec's streams. */
export interface Attachment {
  /** Ends when the process ended (all output delivered) or on abort. With a terminal everything is `stdout`. */
  readonly output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }>;
  /** Flow-controlled. No-op when stdin wasn't asked for. */
  writeStdin(data: Buffer): Promise<void>;
  /** The client closed its sending side. */
  endStdin(): Promise<void>;
}

export interface NewExec {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly privileged: boolean;
  readonly detachKeys: string;
}

export interface ExecView extends NewExec {
  readonly id: string;
  readonly containerId: string;
  readonly running: boolean;
  /** null until it ended. */
  readonly exitCode: number | null;
  readonly pid: number;
}

/** Docker's event vocabulary. */
export interface EngineEvent {
  readonly type: 'container' | 'image' | 'network' | 'volume' | 'daemon';
  /** `create`, `start`, `die`, `exec_start: ls -l`, … */
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeNs: bigint;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface NetworkView extends NetworkDefinition {
  readonly createdAtMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly enableIpv6: boolean;
  readonly attachable: boolean;
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly endpoints: readonly (EndpointDefinition & { readonly containerName: string })[];
}

export interface NewNetwork {
  readonly name: string;
  readonly driver: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIpv6: boolean;
  readonly pools: readonly { subnet?: string; gateway?: string; range?: string; reserved?: Record<string, string> }[];
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * What the Docker API of one VCH can reach. Container references are a full id, a unique id prefix or a name; faults:
 * `container-not-found` ("No such container: X"), `container-ambiguous`, `name-in-use`, `not-running`, `paused`,
 * `already-stopped` and `already-started` (kind `unchanged`), with Docker's sentences as messages.
 */
export interface Engine extends AsyncDisposable {
  readonly images: Images;

  createContainer(request: NewContainer): Promise<{ id: string; warnings: string[] }>;
  container(reference: string): ContainerView;
  containers(): readonly ContainerView[];
  startContainer(reference: string): Promise<void>;
  stopContainer(reference: string, options: { signal?: number; timeoutSeconds?: number }): Promise<void>;
  restartContainer(reference: string, options: { signal?: number; timeoutSeconds?: number }): Promise<void>;
  killContainer(reference: string, signal: number): Promise<void>;
  pauseContainer(reference: string): Promise<void>;
  unpauseContainer(reference: string): Promise<void>;
  renameContainer(reference: string, name: string): Promise<void>;
  removeContainer(reference: string, options: { force: boolean; volumes: boolean }): Promise<void>;
  /** Registered at once, so that a wait sent before the start sees the exit. */
  waitContainer(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<{ exitCode: number; error?: string }>;
  resizeContainer(reference: string, size: TerminalSize): Promise<void>;
  attachContainer(reference: string, options: AttachOptions): Promise<Attachment>;
  logs(reference: string, options: LogOptions): AsyncIterable<LogRecord>;
  processes(reference: string): Promise<ProcessRow[]>;
  statistics(reference: string): Promise<Statistics>;
  writableSize(reference: string): Promise<number>;
  pruneContainers(matches: (container: ContainerView) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }>;

  createExec(reference: string, request: NewExec): Promise<string>;
  exec(id: string): ExecView;
  /** Starts it and gives its streams; `undefined` when detached. */
  startExec(id: string, options: { detach: boolean; terminalSize?: TerminalSize; signal: AbortSignal }): Promise<Attachment | undefined>;
  resizeExec(id: string, size: TerminalSize): Promise<void>;

  createNetwork(request: NewNetwork): Promise<{ id: string; warning: string }>;
  network(reference: string): NetworkView;
  networks(): readonly NetworkView[];
  removeNetwork(reference: string): Promise<void>;
  connectNetwork(reference: string, container: string, request: Omit<NetworkRequest, 'network'>): Promise<void>;
  disconnectNetwork(reference: string, container: string, options: { force: boolean }): Promise<void>;
  pruneNetworks(matches: (network: NetworkView) => boolean): Promise<string[]>;

  /** An existing volume of that name is the answer, too. */
  createVolume(request: NewVolume): Promise<VolumeView>;
  /** Faults: `volume-not-found`. */
  volume(name: string): VolumeView;
  volumes(): readonly VolumeView[];
  /** Faults: `volume-in-use`, `volume-not-found` (not with `force`). */
  removeVolume(name: string, options: { force: boolean }): Promise<void>;
  pruneVolumes(matches: (volume: VolumeView) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }>;
  /** Bytes on disk. */
  volumeSize(name: string): Promise<number>;

  /** Past events since `sinceNs` (a bounded memory of them), then live ones until `untilNs` or abort. */
  events(options: { sinceNs?: bigint; untilNs?: bigint; signal: AbortSignal }): AsyncIterable<EngineEvent>;
  /** For edges that do things to images themselves. */
  emit(event: Omit<EngineEvent, 'timeNs'>): void;
  facts(): EngineFacts;
}

export interface EngineFacts {
  /** The VCH: `default`. */
  readonly name: string;
  /** Stable id of this installation. */
  readonly id: string;
  readonly runtimes: readonly RuntimeFacts[];
  readonly defaultRuntime: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly rootDirectory: string;
  readonly version: string;
}
