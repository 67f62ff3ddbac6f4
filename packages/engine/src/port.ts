/** The engine as the API edges see it. Everything that changes something is done when its promise resolves. */
import type { CommitOptions, Image, Images } from '@berth/images';
import type { NetworkDefinition, EndpointDefinition, PortPublication, PortRequest } from '@berth/network';
import type { HealthCheck, HealthState } from './health-state.ts';
import type { RestartPolicy } from './restart-policy.ts';
import type { LogSettings } from './log/limits.ts';
import type { FileChange, FileStat, Limits, ProcessRow, RuntimeFacts, Statistics, TerminalSize } from '@berth/runtime';
import type { MountPoint, NewVolume, VolumeView } from './volumes/port.ts';

export type * from './volumes/port.ts';

/** What is wanted: immutable after create, but for the name and what an update changes. */
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
  /** Absent: nobody looks. */
  readonly health?: HealthCheck;
  /** Absent: never. May be changed by an update. */
  readonly restart?: RestartPolicy;
  /** Absent: kept whole. */
  readonly log?: LogSettings;
  /** `name:address` lines for /etc/hosts (`--add-host`). */
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly ports: readonly PortRequest[];
  /** `80/tcp`: what the image or the user says it listens on; told to containers that link to it. */
  readonly exposedPorts?: readonly string[];
  /** Containers on the default network that it knows by a name (`--link`). */
  readonly links?: readonly Link[];
  /** Remove the container when it ends (`--rm`). */
  readonly autoRemove: boolean;
  /**
   * A step of a build: when its process has ended, its machine stays for its files to be read, until it is removed. It does not
   * outlive its daemon, and nothing is prepared for others like it.
   */
  readonly buildStep?: boolean;
  /** Networks to join at create. Empty with `--network none`. */
  readonly networks: readonly NetworkRequest[];
  /** The API personality's own view (Docker's Config and HostConfig), kept verbatim to give back in inspect. */
  readonly personality: Readonly<Record<string, unknown>>;
}

export interface NetworkRequest {
  /** Name or id. */
  readonly network: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
  readonly aliases: readonly string[];
  /** Names of others that only this container knows on the network. */
  readonly links?: readonly Link[];
  /** Whose network carries the default route: the highest, then the first by name. Absent: 0. */
  readonly gatewayPriority?: number;
}

export interface Link {
  /** On the default network a container's id; elsewhere as the user wrote it, and found when it is asked for. */
  readonly container: string;
  readonly alias: string;
}

export type NewContainer = Omit<ContainerDefinition, 'id' | 'createdAtMs' | 'name' | 'hostname'> & {
  /** Absent: the engine makes one up, as Docker does (`adjective_noun`). */
  readonly name?: string;
  /** Empty: the first 12 digits of the id. */
  readonly hostname: string;
};

/** What an update changes: all limits at once, since one that is absent is none. */
export interface ContainerChange {
  readonly limits: Limits;
  /** Absent: as it was. */
  readonly restart?: RestartPolicy;
  readonly personality: Readonly<Record<string, unknown>>;
}

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
  /** Absent without a health check, and before the first start. */
  readonly health?: HealthState;
  readonly execIds: readonly string[];
  readonly logPath: string;
}

export interface EndpointView extends EndpointDefinition {
  readonly networkName: string;
  readonly aliases: readonly string[];
  /** The user asked for this address. */
  readonly requestedIpv4?: string;
  readonly requestedIpv6?: string;
  readonly links: readonly Link[];
  readonly gatewayPriority: number;
  /** Connected in the running guest (addresses count only then in Docker's inspect). */
  readonly active: boolean;
}

/** One line of a container's log. */
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
  /** Running or not. Faults: `limit-below-use`, those of the runtime for what a running machine has no room for. */
  updateContainer(reference: string, change: ContainerChange): Promise<void>;
  removeContainer(reference: string, options: { force: boolean; volumes: boolean }): Promise<void>;
  /** Registered at once, so that a wait sent before the start sees the exit. */
  waitContainer(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<{ exitCode: number; error?: string }>;
  resizeContainer(reference: string, size: TerminalSize): Promise<void>;
  attachContainer(reference: string, options: AttachOptions): Promise<Attachment>;
  /** Lines, as many at a time as came together. Faults: `logs-unreadable`; `log-rotated` while it is read. */
  logs(reference: string, options: LogOptions): AsyncIterable<readonly LogRecord[]>;
  processes(reference: string): Promise<ProcessRow[]>;
  statistics(reference: string): Promise<Statistics>;
  writableSize(reference: string): Promise<number>;
  pruneContainers(matches: (container: ContainerView) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }>;

  /**
   * The files of a container, in every state but a removal's (docs/design/container-files.md). Faults: `file-not-found`
   * ("Could not find the file PATH in container C"), `removing`, those of `FileAccess`.
   */
  statPath(reference: string, path: string): Promise<PathStat>;
  /** A tar of what is at the path, under the path's own last name. */
  readArchive(reference: string, path: string, signal: AbortSignal): Promise<{ stat: PathStat; tar: AsyncIterable<Buffer> }>;
  /** Unpacks a tar, compressed or not, into the directory at the path. Faults also: `root-read-only`, `tar-invalid`. */
  writeArchive(reference: string, path: string, tar: AsyncIterable<Buffer>, options: WriteArchiveOptions): Promise<void>;
  containerChanges(reference: string): Promise<readonly FileChange[]>;
  /** The whole root file system as a tar. */
  exportContainer(reference: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
  commitContainer(reference: string, request: CommitRequest): Promise<Image>;
  /** What the container has changed, as the tar of a layer. */
  containerLayer(reference: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;

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

export interface PathStat extends FileStat {
  /** The last name of the path asked for: `/` of the root, `.` when the path ends so. */
  readonly name: string;
}

export interface WriteArchiveOptions {
  /** Neither a directory may be replaced by something else nor the other way round. */
  readonly noOverwriteDirNonDir: boolean;
  /** Everything becomes the container's user's. */
  readonly copyUidGid: boolean;
  readonly signal: AbortSignal;
}

export interface CommitRequest extends Pick<CommitOptions, 'author' | 'comment' | 'changes' | 'config' | 'containerConfig' | 'reference'> {
  /** Freeze the container, if it runs, while its layer is read. */
  readonly pause: boolean;
  readonly signal: AbortSignal;
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
