import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { abortable, isFault } from '@berth/kit';
import { disksOf } from '@berth/runtime';
import type { ContainerFiles, ContainerSpec, FilesRequest, OutputSink, RunningContainer, RunningId } from '@berth/runtime';
import type { Runtime, RuntimeFacts, SocketDoor, WarmRequest } from '@berth/runtime';
import { hostMemory } from '@berth/sys';
import { decideAcceleration, KVM_LIMIT_MS, type Verdict } from './acceleration.ts';
import { Calm } from './calm.ts';
import { Children } from './children.ts';
import { Containers } from './containers.ts';
import { Endings } from './endings.ts';
import { FileSessions, held } from './file-sessions.ts';
import { chooseFlavor, flavorName } from './flavor.ts';
import { Limiter } from './limiter.ts';
import { ADOPT_LIMIT_MS, DEFAULT_SCRATCH_BYTES, DEFAULT_TEMPLATE_BUDGET_BYTES, FILES_LINGER_MS, SHUTDOWN_LIMIT_MS } from './limits.ts';
import type { MicrovmRuntimeOptions } from './options.ts';
import { Pool, type Recipe } from './pool.ts';
import { buildPreload } from './native.ts';
import { vmPaths } from './qemu/launch.ts';
import { recipeFor } from './recipe.ts';
import { ScratchMaker } from './scratch.ts';
import { Supply } from './supply.ts';
import { flavorTemplateName, TemplateBuilder } from './template/builder.ts';
import { type HostFacts, hostFacts, templateKey } from './template/key.ts';
import { LiveTemplates } from './template/live-templates.ts';
import { Templates } from './template/templates.ts';
import { type Child, type Mark, startIn } from './vm/child.ts';
import { endLeftover, endStrays } from './vm/leftover.ts';
import { NicBay } from './vm/nic-bay.ts';
import { VmProcess } from './vm/process.ts';
import { shutDown } from './vm/shutdown.ts';
import { readRecord } from './vm/record.ts';
import { RunningVm } from './vm/running-vm.ts';
import { share, showVolumes } from './vm/shares.ts';
import { Taps } from './vm/taps.ts';

const noDoor: SocketDoor = () => undefined;

/** Every container a virtual machine of its own, cloned from a running template. */
export class MicrovmRuntime implements Runtime {
  readonly name = 'microvm';
  readonly #options: MicrovmRuntimeOptions;
  readonly #containers: Containers;
  readonly #vms: string;
  readonly #waiting: string;
  readonly #instance: string;
  readonly #native: string;
  readonly #calm = new Calm();
  readonly #limiter: Limiter;
  /** Who has a container's writable layer: a run, a start under way, a session for its files, a VM that is ending. */
  readonly #running = new Map<string, RunningVm>();
  readonly #starting = new Map<string, Promise<unknown>>();
  readonly #sessions: FileSessions;
  readonly #endings: Endings;
  /** Ids of VMs that this daemon has made or adopted. */
  readonly #own = new Set<string>();
  readonly #warming = new Set<Promise<void>>();
  readonly #background = new Set<Promise<void>>();
  #facts!: HostFacts;
  #verdict!: Verdict;
  #taps!: Taps;
  #children!: Children;
  #live: LiveTemplates | undefined;
  #scratch!: ScratchMaker;
  #templates!: Templates;
  #pool!: Pool;
  #supply!: Supply;
  #closed = false;

  private constructor(options: MicrovmRuntimeOptions) {
    this.#options = options;
    this.#vms = join(options.runDirectory, 'vms');
    this.#waiting = join(options.stateDirectory, 'waiting');
    this.#native = join(options.stateDirectory, 'native');
    this.#containers = new Containers(join(options.stateDirectory, 'containers'), join(options.stateDirectory, 'trash'));
    this.#endings = new Endings(this.#containers, SHUTDOWN_LIMIT_MS, options.log);
    this.#sessions = new FileSessions((id, child) => this.#endings.begin(id, child.vm, child.agent), FILES_LINGER_MS);
    this.#instance = createHash('sha256').update(resolve(options.stateDirectory)).digest('hex').slice(0, 10);
    this.#limiter = new Limiter(options.pool?.parallel ?? Math.max(2, availableParallelism()));
    mkdirSync(this.#vms, { recursive: true, mode: 0o700 });
    mkdirSync(this.#waiting, { recursive: true, mode: 0o700 });
  }

  /**
   * Finds out whether KVM works, boots or verifies the default flavor's template. Faults: `qemu-missing`,
   * `template-failed`, `acceleration-missing`.
   */
  static async open(options: MicrovmRuntimeOptions, lifetime: { signal?: AbortSignal } = {}): Promise<MicrovmRuntime> {
    lifetime.signal?.throwIfAborted();
    const runtime = new MicrovmRuntime(options);
    await runtime.#open(lifetime.signal);
    return runtime;
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    const { stateDirectory, guest, log } = this.#options;
    const progress = this.#options.progress ?? (() => undefined);
    const abort = signal === undefined ? {} : { signal };
    const [facts, preload, scratch] = await Promise.all([
      hostFacts(),
      buildPreload(this.#native, abort),
      ScratchMaker.open(join(stateDirectory, 'scratch'), this.#options.scratchBytes ?? DEFAULT_SCRATCH_BYTES),
    ]);
    this.#facts = facts;
    this.#scratch = scratch;
    const placeholder = join(this.#native, 'placeholder');
    writeFileSync(placeholder, Buffer.alloc(512));
    const directory = join(stateDirectory, 'templates');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const claim = (vmId: string) => void this.#own.add(vmId);
    const builder = new TemplateBuilder({ templates: directory, vms: this.#vms, instance: this.#instance, guest, placeholder, scratch, claim });
    const flavor = (emulated: boolean) => chooseFlavor({ layers: 1, emulated, hostCpus: availableParallelism() });
    this.#verdict = await decideAcceleration(this.#options.acceleration ?? 'auto', {
      file: join(stateDirectory, 'acceleration.json'),
      facts,
      progress,
      attempt: async () => {
        const chosen = flavor(false);
        await builder.boot(flavorTemplateName(chosen, templateKey(facts, guest, 'kvm')), chosen, 'kvm', { limitMs: KVM_LIMIT_MS, ...abort });
      },
    });
    const { acceleration } = this.#verdict;
    const images = this.#options.pool?.images ?? 4;
    this.#taps = new Taps(this.#options.prefix);
    this.#templates = new Templates({
      directory,
      builder,
      acceleration,
      key: templateKey(facts, guest, acceleration),
      budgetBytes: this.#options.templateBudgetBytes ?? DEFAULT_TEMPLATE_BUDGET_BYTES,
      log,
    });
    await this.#templates.sweep();
    // With KVM a virtual machine's descriptors belong to one process: ADR 0014.
    this.#live = acceleration === 'tcg' && this.#options.forks !== false ? new LiveTemplates(images, log) : undefined;
    this.#children = new Children({
      child: { vms: this.#vms, instance: this.#instance, acceleration, placeholder, preload, taps: this.#taps, claim },
      templates: this.#templates,
      live: this.#live,
      scratch,
      containers: this.#containers,
      waiting: this.#waiting,
      reserveBytes: this.#options.pool?.reserveBytes ?? Math.max(256 << 20, hostMemory().totalBytes * 0.05),
    });
    this.#pool = new Pool({
      size: this.#options.pool?.size ?? 2,
      images,
      make: (recipe) => this.#limiter.run(() => this.#children.forPool(recipe), { urgent: false }),
      discard: (child) => this.#children.discard(child),
      hasRoom: () => this.#children.hasRoom(),
      calm: () => this.#calm.settled(40, 1_500),
      log,
    });
    this.#supply = new Supply({
      containers: this.#containers,
      endings: this.#endings,
      scratch,
      pool: this.#pool,
      children: this.#children,
      limiter: this.#limiter,
    });
    progress(`preparing the template (${acceleration === 'kvm' ? 'KVM' : 'emulation'})`);
    try {
      await this.#templates.flavor(flavor(acceleration === 'tcg'));
    } catch (error) {
      // What runs must be taken up all the same; the first start that finds room makes the template.
      if (!isFault(error, 'disk-full')) throw error;
      log('error', `no template: ${error.message}`);
    }
    signal?.throwIfAborted();
  }

  describe(): RuntimeFacts {
    return {
      name: this.name,
      acceleration: this.#verdict.acceleration,
      verdict: this.#verdict.reason,
      version: this.#facts.qemuVersion,
      kernel: this.#options.guest.kernelVersion,
      // That it is emulated is told by `acceleration`.
      warnings: [],
      status: [
        ...this.#templates.names.map((name) => ['Template', name] as const),
        ...this.#pool.counts().map(({ recipe, ready }) => [`Pool ${flavorName(recipe.flavor)} ${recipe.key.slice(-6)}`, `${ready} ready`] as const),
      ],
    };
  }

  warm(request: WarmRequest): void {
    if (this.#closed) return;
    let recipe: Recipe;
    try {
      recipe = this.#recipe(request);
    } catch {
      return;
    }
    const work = this.#warm(recipe)
      .catch((error: unknown) => this.#options.log('warn', `an image could not be warmed: ${String(error)}`))
      .finally(() => this.#warming.delete(work));
    this.#warming.add(work);
  }

  async warmed(options: { signal?: AbortSignal } = {}): Promise<void> {
    const all = Promise.all(this.#warming).then(() => this.#pool.filled());
    await (options.signal === undefined ? all : abortable(all, options.signal));
  }

  async start(spec: ContainerSpec, sink: OutputSink, options: { signal?: AbortSignal; door?: SocketDoor } = {}): Promise<RunningContainer> {
    const work = this.#calm.during(() => this.#start(spec, sink, options.door ?? noDoor, options.signal));
    this.#starting.set(spec.id, work);
    try {
      return await work;
    } finally {
      this.#starting.delete(spec.id);
    }
  }

  async #start(spec: ContainerSpec, sink: OutputSink, door: SocketDoor, signal: AbortSignal | undefined): Promise<RunningContainer> {
    signal?.throwIfAborted();
    const from = performance.now();
    const phases: { phase: string; atMs: number }[] = [];
    const mark: Mark = (phase) => phases.push({ phase, atMs: performance.now() - from });
    const { id } = spec;
    const disks = disksOf(spec.mounts);
    const recipe = this.#recipe({ rootfs: spec.rootfs, ...spec.limits }, disks.length);
    // A machine gets its disks when it is made: a session's has none.
    const session = await this.#sessions.take(id, disks.length === 0 ? recipe.key : '');
    const restarted = this.#containers.hasScratch(id);
    const { child, source } =
      session === undefined
        ? await this.#supply.take(id, recipe, mark, { disks, ...(signal === undefined ? {} : { signal }) })
        : { child: session, source: 'session' as const };
    try {
      signal?.throwIfAborted();
      const nics = new NicBay(this.#taps, child.vm, child.record);
      await nics.attachAll(spec.networks);
      mark('connected');
      await share(this.#native, child.vm, spec.mounts);
      // Before the container can connect.
      child.agent.serveSockets(door);
      const { startedAtMs } = await startIn(child, spec);
      mark('executed');
      signal?.throwIfAborted();
      this.#options.onTrace?.({ id, source, phases });
      if (spec.oneOff !== true) this.warm({ rootfs: spec.rootfs, ...spec.limits });
      return this.#hold(id, child, nics, startedAtMs, { sink, door });
    } catch (error) {
      // Before its layer is thrown away: whether the machine had died while it waited, which is no fault of this container's.
      const diedWaiting = source !== 'clone' && isFault(error, 'vm-failed') && (await child.vm.endsSoon());
      // What was copied into the container has to reach the disk.
      if (source === 'session') await shutDown(child.vm, child.agent, SHUTDOWN_LIMIT_MS);
      await this.#supply.giveUp(id, child, { keepLayer: restarted });
      if (diedWaiting) return await this.#start(spec, sink, door, signal);
      throw error;
    }
  }

  async files(request: FilesRequest): Promise<ContainerFiles> {
    const { id, mounts = [] } = request;
    const recipe = this.#recipe(request);
    // A start takes over a session of the recipe's key only: one with volumes never runs the container.
    const key = mounts.length === 0 ? recipe.key : JSON.stringify([recipe.key, mounts]);
    const inTheWay = () => this.#starting.get(id)?.catch(() => undefined) ?? this.#sessions.inTheWay(id, key);
    for (let busy = inTheWay(); busy !== undefined; busy = inTheWay()) await busy;
    const running = this.#running.get(id);
    if (running !== undefined) return held(running);
    const open = async () => {
      const { child } = await this.#supply.take(id, recipe, () => undefined, { disks: [] });
      return await showVolumes(this.#native, child, mounts).catch((error: unknown) => {
        this.#endings.begin(id, child.vm, child.agent);
        throw error;
      });
    };
    const files = await this.#sessions.hold(id, key, () => this.#calm.during(open));
    if (request.oneOff !== true) this.warm(request);
    return files;
  }

  async adopt(id: RunningId, sink: OutputSink, options: { signal?: AbortSignal; door?: SocketDoor } = {}): Promise<RunningContainer | undefined> {
    const vmId = this.#containers.vmOf(id);
    if (vmId === undefined || this.#endings.has(id)) return undefined;
    const paths = vmPaths(join(this.#vms, vmId));
    const record = readRecord(paths.directory);
    const vm = record === undefined ? undefined : VmProcess.find(record.pid, record.startTicks, paths);
    if (record === undefined || vm === undefined) return undefined;
    const agent = vm.connectAgent();
    const door = options.door ?? noDoor;
    agent.serveSockets(door);
    const limit = AbortSignal.timeout(ADOPT_LIMIT_MS);
    try {
      const state = await agent.hello({ resume: true, signal: options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]) });
      if ((state.phase === 'running' || state.phase === 'exited') && state.startedAtMs !== undefined) {
        this.#own.add(record.id);
        return this.#hold(id, { vm, agent, record }, new NicBay(this.#taps, vm, record), state.startedAtMs, { sink, door });
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      this.#options.log('warn', `the virtual machine of container ${id.slice(0, 12)} does not answer: ${String(error)}`);
    }
    // Started by nobody, or beyond help: nothing of the container runs. What was copied into it before is kept.
    await agent[Symbol.asyncDispose]();
    await this.#endVm(vmId, { gently: true });
    this.#containers.release(id);
    return undefined;
  }

  async list(): Promise<RunningId[]> {
    return this.#containers.list();
  }

  async stopLeftovers(id: RunningId): Promise<void> {
    await this.#running.get(id)?.destroy();
    await this.#sessions.close(id, { kill: false });
    await this.#endings.over(id);
    const vmId = this.#containers.vmOf(id);
    if (vmId === undefined) return;
    await this.#endVm(vmId, { gently: true });
    this.#containers.release(id);
  }

  async remove(id: RunningId): Promise<void> {
    await this.#running.get(id)?.destroy();
    await this.#sessions.close(id, { kill: true });
    // Its end is awaited by nobody but the closing of the runtime.
    if (!this.#endings.cutShort(id)) {
      const vmId = this.#containers.vmOf(id);
      if (vmId !== undefined) await this.#endVm(vmId, { gently: false });
    }
    const deleted = this.#containers.remove(id).catch((error: unknown) => this.#options.log('warn', `a writable layer was not deleted: ${String(error)}`));
    this.#background.add(deleted);
    void deleted.finally(() => this.#background.delete(deleted));
  }

  async sweep(known: ReadonlySet<RunningId>): Promise<void> {
    for (const id of this.#containers.list()) if (!known.has(id)) await this.remove(id);
    const kept = new Set(this.#containers.list().map((id) => this.#containers.vmOf(id)));
    const foreign = (vmId: string) => !kept.has(vmId) && !this.#own.has(vmId);
    for (const vmId of readdirSync(this.#vms)) if (foreign(vmId)) await this.#endVm(vmId, { gently: false });
    endStrays(`berth.${this.#instance}.`, foreign);
    await this.#children.sweep();
    await this.#containers.sweep();
  }

  writableSize(id: RunningId): Promise<number> {
    return this.#scratch.usedBytes(this.#containers.scratch(id));
  }

  /** Ends the pool; containers keep running. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#warming);
    await this.#pool.close();
    await this.#live?.close();
    await this.#sessions.closeAll();
    await this.#endings.settled();
    await Promise.allSettled(this.#background);
    await Promise.allSettled([...this.#running.values()].map((running) => running.release()));
  }

  #recipe(request: WarmRequest, disks = 0): Recipe {
    return recipeFor(request, { disks, emulated: this.#verdict.acceleration === 'tcg', templates: this.#templates });
  }

  async #warm(recipe: Recipe): Promise<void> {
    await this.#calm.settled(40, 1_500);
    await this.#children.prepare(recipe);
    this.#pool.want(recipe);
  }

  /** From here on the container has its VM. */
  #hold(id: string, child: Child, nics: NicBay, startedAtMs: number, { sink, door }: { readonly sink: OutputSink; readonly door: SocketDoor }): RunningVm {
    const { vm, agent } = child;
    const running = new RunningVm({
      id,
      vm,
      agent,
      nics,
      startedAtMs,
      sink,
      door,
      destroy: async (current) => {
        // Off the networks at once.
        nics.detachAll();
        this.#running.delete(id);
        this.#endings.begin(id, vm, current);
      },
    });
    this.#running.set(id, running);
    return running;
  }

  #endVm(vmId: string, options: { gently: boolean }): Promise<void> {
    const paths = vmPaths(join(this.#vms, vmId));
    return endLeftover(paths, `berth.${this.#instance}.${vmId}`, options.gently ? SHUTDOWN_LIMIT_MS : 0);
  }
}
