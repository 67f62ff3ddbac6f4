import { mkdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { newId } from '@berth/kit';
import type { Image, Images } from '@berth/images';
import type { FileChange, ProcessRow, Statistics, TerminalSize } from '@berth/runtime';
import { attach } from './attach.ts';
import { bounded, endsWithin } from './bounded.ts';
import { systemClock } from './clock.ts';
import { commitContainer } from './commit.ts';
import { connectNetwork, disconnectNetwork } from './connect.ts';
import { logPath, type Run } from './container.ts';
import { createContainer } from './create.ts';
import { defaultLimits, runtimeOf, type Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { Events } from './events.ts';
import type { ContainerEngineOptions } from './engine-options.ts';
import { createExec } from './exec.ts';
import { attachPaused, engineClosed, isRestarting, logsUnreadable, notRunning } from './faults.ts';
import { containerChanges, containerLayer, exportContainer, readArchive, statPath, writeArchive } from './files.ts';
import { killContainer } from './kill.ts';
import { Lanes } from './lanes.ts';
import { isAlive } from './lifecycle.ts';
import { readLogs } from './log/logs.ts';
import { NetworkTable } from './network-table.ts';
import { Networks } from './networks.ts';
import type {
  Attachment,
  AttachOptions,
  ContainerChange,
  CommitRequest,
  ContainerView,
  Engine,
  EngineEvent,
  EngineFacts,
  ExecView,
  LogOptions,
  LogRecord,
  NetworkRequest,
  NetworkView,
  NewContainer,
  NewExec,
  NewNetwork,
  PathStat,
  NewVolume,
  VolumeView,
  WaitCondition,
  WriteArchiveOptions,
} from './port.ts';
import { reconcile } from './reconcile.ts';
import { Registry } from './registry.ts';
import { scheduleRestart } from './restart.ts';
import { pruneContainers } from './prune.ts';
import { removeContainer } from './remove.ts';
import { renameContainer } from './rename.ts';
import { Rows } from './rows.ts';
import { startContainer } from './start.ts';
import { pauseContainer, restartContainer, stopContainer, unpauseContainer, type StopOptions } from './stop.ts';
import { updateContainer } from './update.ts';
import { containerView, networkView } from './views.ts';
import { VolumeRows } from './volumes/rows.ts';
import { VolumeStorage } from './volumes/storage.ts';
import { Volumes } from './volumes/volumes.ts';
import type { Waited } from './waits.ts';

const CLOSE_LIMIT_MS = 10_000;
const RESTARTS_AT_ONCE = 4;

/** The engine over real rows, runtimes and networks. Each method hands over to the file that has its idea. */
export class ContainerEngine implements Engine {
  readonly images: Images;
  readonly #deps: Deps;
  readonly #networks: Networks;
  readonly #options: ContainerEngineOptions;
  readonly #closing: AbortController;
  readonly #work = new Set<Promise<unknown>>();
  #id = '';

  private constructor(options: ContainerEngineOptions) {
    const clock = options.clock ?? systemClock();
    this.#options = options;
    this.#closing = new AbortController();
    const events = new Events(clock);
    this.images = options.images;
    this.#deps = {
      rows: new Rows(options.store),
      registry: new Registry(),
      networks: new NetworkTable(),
      volumes: new Volumes({
        rows: new VolumeRows(options.store),
        storage: new VolumeStorage(options.stateDirectory),
        events,
        clock,
        log: options.log,
      }),
      images: options.images,
      networking: options.networking,
      runtimes: new Map(options.runtimes.map((runtime) => [runtime.name, runtime])),
      defaultRuntime: options.defaultRuntime,
      events,
      clock,
      log: options.log,
      limits: { ...defaultLimits, ...options.limits },
      stateDirectory: options.stateDirectory,
      endpoint: options.endpoint,
      restarts: new Lanes(RESTARTS_AT_ONCE),
      restartLater: (container, delayMs) => scheduleRestart(this.#deps, container, delayMs),
      closing: this.#closing.signal,
    };
    this.#networks = new Networks(this.#deps);
  }

  /** Takes up what an earlier engine left, running or half-done. Faults: `state-unreadable`, those of networks. */
  static async open(options: ContainerEngineOptions, { signal }: { signal?: AbortSignal } = {}): Promise<ContainerEngine> {
    const engine = new ContainerEngine(options);
    mkdirSync(dirname(logPath(options.stateDirectory, '')), { recursive: true, mode: 0o700 });
    engine.#id = await engine.#deps.rows.fact('installation', newId);
    await reconcile(engine.#deps, signal);
    await engine.#networks.makePredefined();
    for (const container of engine.#deps.registry.all()) if (container.state.phase === 'restarting') scheduleRestart(engine.#deps, container, 0);
    return engine;
  }

  createContainer(request: NewContainer): Promise<{ id: string; warnings: string[] }> {
    return this.#accept(() => createContainer(this.#deps, request));
  }

  container(reference: string): ContainerView {
    return containerView(this.#deps, this.#deps.registry.find(reference));
  }

  containers(): readonly ContainerView[] {
    return this.#deps.registry.all().map((container) => containerView(this.#deps, container));
  }

  startContainer(reference: string): Promise<void> {
    return this.#accept(() => startContainer(this.#deps, this.#deps.registry.find(reference)));
  }

  stopContainer(reference: string, options: StopOptions): Promise<void> {
    return this.#accept(() => stopContainer(this.#deps, this.#deps.registry.find(reference), options));
  }

  restartContainer(reference: string, options: StopOptions): Promise<void> {
    return this.#accept(() => restartContainer(this.#deps, this.#deps.registry.find(reference), options));
  }

  killContainer(reference: string, signal: number): Promise<void> {
    return this.#accept(() => killContainer(this.#deps, this.#deps.registry.find(reference), { reference, signal }));
  }

  pauseContainer(reference: string): Promise<void> {
    return this.#accept(() => pauseContainer(this.#deps, this.#deps.registry.find(reference)));
  }

  unpauseContainer(reference: string): Promise<void> {
    return this.#accept(() => unpauseContainer(this.#deps, this.#deps.registry.find(reference)));
  }

  renameContainer(reference: string, name: string): Promise<void> {
    return this.#accept(() => renameContainer(this.#deps, this.#deps.registry.find(reference), name));
  }

  updateContainer(reference: string, change: ContainerChange): Promise<void> {
    return this.#accept(() => updateContainer(this.#deps, this.#deps.registry.find(reference), change));
  }

  removeContainer(reference: string, options: { force: boolean; volumes: boolean }): Promise<void> {
    return this.#accept(() => removeContainer(this.#deps, this.#deps.registry.find(reference), { reference, ...options }));
  }

  async waitContainer(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<Waited> {
    const container = this.#deps.registry.find(reference);
    const { phase } = container.state;
    if (condition === 'not-running' && !isAlive(phase) && phase !== 'restarting' && container.starting === undefined) {
      return { exitCode: container.state.exitCode };
    }
    return await container.waits.wait(condition, signal);
  }

  async resizeContainer(reference: string, size: TerminalSize): Promise<void> {
    const container = this.#deps.registry.find(reference);
    await container.serial.idle();
    const run = this.#run(reference);
    await bounded(run.running.resize(size), this.#deps.limits.callMs, 'resizing');
    emitContainer(this.#deps, container, 'resize', { height: String(size.rows), width: String(size.columns) });
  }

  async attachContainer(reference: string, options: AttachOptions): Promise<Attachment> {
    const container = this.#deps.registry.find(reference);
    if (container.state.phase === 'paused' && options.stream) throw attachPaused();
    const attachment = attach(container, options);
    emitContainer(this.#deps, container, 'attach');
    return attachment;
  }

  logs(reference: string, options: LogOptions): AsyncIterable<readonly LogRecord[]> {
    const container = this.#deps.registry.find(reference);
    if (container.definition.log?.driver === 'none') throw logsUnreadable();
    return readLogs(container.log, options, container.current?.number ?? 0);
  }

  async processes(reference: string): Promise<ProcessRow[]> {
    return await bounded(this.#run(reference).running.processes(), this.#deps.limits.callMs, 'listing processes');
  }

  async statistics(reference: string): Promise<Statistics> {
    return await bounded(this.#run(reference).running.statistics(), this.#deps.limits.callMs, 'reading statistics');
  }

  async writableSize(reference: string): Promise<number> {
    const container = this.#deps.registry.find(reference);
    return await runtimeOf(this.#deps, container).writableSize(container.id);
  }

  pruneContainers(matches: (container: ContainerView) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    return this.#accept(() => pruneContainers(this.#deps, (container) => matches(containerView(this.#deps, container))));
  }

  statPath(reference: string, path: string): Promise<PathStat> {
    return statPath(this.#deps, this.#deps.registry.find(reference), reference, path);
  }

  readArchive(reference: string, path: string, signal: AbortSignal) {
    return readArchive(this.#deps, this.#deps.registry.find(reference), reference, path, signal);
  }

  writeArchive(reference: string, path: string, tar: AsyncIterable<Buffer>, options: WriteArchiveOptions): Promise<void> {
    return this.#accept(() => writeArchive(this.#deps, this.#deps.registry.find(reference), reference, path, tar, options));
  }

  containerChanges(reference: string): Promise<readonly FileChange[]> {
    return containerChanges(this.#deps, this.#deps.registry.find(reference));
  }

  exportContainer(reference: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    return exportContainer(this.#deps, this.#deps.registry.find(reference), signal);
  }

  commitContainer(reference: string, request: CommitRequest): Promise<Image> {
    return this.#accept(() => commitContainer(this.#deps, this.#deps.registry.find(reference), request));
  }

  containerLayer(reference: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    return containerLayer(this.#deps, this.#deps.registry.find(reference), signal);
  }

  createExec(reference: string, request: NewExec): Promise<string> {
    return this.#accept(async () => createExec(this.#deps, this.#deps.registry.find(reference), request).id);
  }

  exec(id: string): ExecView {
    return this.#deps.registry.findExec(id).view;
  }

  startExec(id: string, options: { detach: boolean; terminalSize?: TerminalSize; signal: AbortSignal }): Promise<Attachment | undefined> {
    return this.#accept(() => this.#deps.registry.findExec(id).start(options));
  }

  resizeExec(id: string, size: TerminalSize): Promise<void> {
    return this.#deps.registry.findExec(id).resize(size);
  }

  createNetwork(request: NewNetwork): Promise<{ id: string; warning: string }> {
    return this.#accept(() => this.#networks.create(request));
  }

  network(reference: string): NetworkView {
    return networkView(this.#deps, this.#deps.networks.find(reference));
  }

  networks(): readonly NetworkView[] {
    return this.#deps.networks.all().map((network) => networkView(this.#deps, network));
  }

  removeNetwork(reference: string): Promise<void> {
    return this.#accept(() => this.#networks.remove(reference));
  }

  connectNetwork(reference: string, container: string, request: Omit<NetworkRequest, 'network'>): Promise<void> {
    return this.#accept(() => connectNetwork(this.#deps, this.#deps.registry.find(container), { ...request, network: reference }));
  }

  disconnectNetwork(reference: string, container: string, options: { force: boolean }): Promise<void> {
    return this.#accept(() => disconnectNetwork(this.#deps, container, this.#deps.networks.find(reference), options));
  }

  pruneNetworks(matches: (network: NetworkView) => boolean): Promise<string[]> {
    return this.#accept(async () => {
      const removed = await this.#networks.prune(matches);
      this.#deps.events.emit({ type: 'network', action: 'prune', actorId: '', attributes: { reclaimed: '0' } });
      return removed;
    });
  }

  createVolume(request: NewVolume): Promise<VolumeView> {
    return this.#accept(() => this.#deps.volumes.create(request));
  }

  volume(name: string): VolumeView {
    const { volumes } = this.#deps;
    return volumes.view(volumes.table.find(name));
  }

  volumes(): readonly VolumeView[] {
    const { volumes } = this.#deps;
    return volumes.table.all().map((volume) => volumes.view(volume));
  }

  removeVolume(name: string, options: { force: boolean }): Promise<void> {
    return this.#accept(() => this.#deps.volumes.remove(name, options));
  }

  pruneVolumes(matches: (volume: VolumeView) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    return this.#accept(async () => {
      const result = await this.#deps.volumes.prune(matches);
      this.#deps.events.emit({ type: 'volume', action: 'prune', actorId: '', attributes: { reclaimed: String(result.reclaimedBytes) } });
      return result;
    });
  }

  async volumeSize(name: string): Promise<number> {
    const { volumes } = this.#deps;
    return await volumes.storage.usedBytes(volumes.table.find(name));
  }

  events(options: { sinceNs?: bigint; untilNs?: bigint; signal: AbortSignal }): AsyncIterable<EngineEvent> {
    return this.#deps.events.subscribe(options);
  }

  emit(event: Omit<EngineEvent, 'timeNs'>): void {
    this.#deps.events.emit(event);
  }

  facts(): EngineFacts {
    return {
      name: this.#options.name,
      id: this.#id,
      runtimes: [...this.#deps.runtimes.values()].map((runtime) => runtime.describe()),
      defaultRuntime: this.#deps.defaultRuntime,
      cpus: cpus().length,
      memoryBytes: totalmem(),
      rootDirectory: this.#options.stateDirectory,
      version: this.#options.version,
    };
  }

  /** Stops every running container, as `docker stop` does, all at once. For an operator who ends Berth altogether. */
  async stopAll(): Promise<void> {
    const running = this.#deps.registry.all().filter((container) => container.current !== undefined || container.state.phase === 'restarting');
    await Promise.allSettled(running.map((container) => stopContainer(this.#deps, container, {})));
  }

  /** Stops accepting, waits (10 s at most) for what was accepted, and leaves containers running for the next engine. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(engineClosed());
    await endsWithin(Promise.allSettled([...this.#work, ...this.#deps.registry.all().map((container) => container.serial.idle())]), CLOSE_LIMIT_MS);
  }

  #run(reference: string): Run {
    const container = this.#deps.registry.find(reference);
    if (container.state.phase === 'restarting') throw isRestarting(container.id);
    if (container.current === undefined) throw notRunning(container.id);
    return container.current;
  }

  /** Runs a mutation that, once begun, is the engine's own, whatever becomes of the client. */
  async #accept<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw engineClosed();
    const result = work();
    this.#work.add(result);
    try {
      return await result;
    } finally {
      this.#work.delete(result);
    }
  }
}
