import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { GuestConnection } from '@berth/guest-protocol';
import { isFault } from '@berth/kit';
import type { ContainerSpec, OutputSink, RunningContainer, RunningId, Runtime, RuntimeFacts, WarmRequest } from '@berth/runtime';
import { disksOf } from '@berth/runtime';
import { findProcesses, hostMemory, processStartTicks } from '@berth/sys';
import { abortable } from './abortable.ts';
import { decideAcceleration, KVM_LIMIT_MS, type Verdict } from './acceleration.ts';
import { Calm } from './calm.ts';
import { Children } from './children.ts';
import { Containers } from './containers.ts';
import { runtimeFacts } from './runtime-facts.ts';
import { chooseFlavor } from './flavor.ts';
import { Limiter } from './limiter.ts';
import type { MicrovmRuntimeOptions } from './options.ts';
import { Pool, type Recipe } from './pool.ts';
import { buildPreload } from './native.ts';
import { vmPaths } from './qemu/launch.ts';
import { recipeFor } from './recipe.ts';
import { ScratchMaker } from './scratch.ts';
import { flavorTemplateName, TemplateBuilder } from './template/builder.ts';
import { type HostFacts, hostFacts, templateKey } from './template/key.ts';
import { LiveTemplates } from './template/live-templates.ts';
import { Templates } from './template/templates.ts';
import type { Child, Mark } from './vm/child.ts';
import { NicBay } from './vm/nic-bay.ts';
import { VmProcess } from './vm/process.ts';
import { shutDown } from './vm/shutdown.ts';
import { readRecord, writeRecord } from './vm/record.ts';
import { RunningVm } from './vm/running-vm.ts';
import { share } from './vm/shares.ts';
import { Taps } from './vm/taps.ts';

/** How long a guest gets to write its file system back when a container has ended. */
const SHUTDOWN_LIMIT_MS = 5_000;
const DEFAULT_SCRATCH_BYTES = 10 * 2 ** 30;
const DEFAULT_TEMPLATE_BUDGET_BYTES = 4 * 2 ** 30;
const ADOPT_LIMIT_MS = 15_000;

/** Every container a virtual machine of its own, cloned from a running template. */
export class MicrovmRuntime implements Runtime {
  readonly name = 'microvm';
  readonly #options: MicrovmRuntimeOptions;
  readonly #containers: Containers;
  readonly #vms: string;
  readonly #waiting: string;
  readonly #instance: string;
  readonly #calm = new Calm();
  readonly #limiter: Limiter;
  /** VMs of containers, and what of them is still ending. */
  readonly #running = new Map<string, RunningVm>();
  readonly #ending = new Map<string, { vm: VmProcess; done: Promise<void> }>();
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
  #closed = false;

  private constructor(options: MicrovmRuntimeOptions) {
    this.#options = options;
    this.#vms = join(options.runDirectory, 'vms');
    this.#waiting = join(options.stateDirectory, 'waiting');
    this.#containers = new Containers(join(options.stateDirectory, 'containers'), join(options.stateDirectory, 'trash'));
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
      buildPreload(join(stateDirectory, 'native'), abort),
      ScratchMaker.open(join(stateDirectory, 'scratch'), this.#options.scratchBytes ?? DEFAULT_SCRATCH_BYTES),
    ]);
    this.#facts = facts;
    this.#scratch = scratch;
    const placeholder = join(stateDirectory, 'native', 'placeholder');
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
    return runtimeFacts(this.name, this.#verdict, this.#facts, this.#options.guest, [...this.#templates.names], this.#pool.counts());
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
    await abortable(
      Promise.all(this.#warming).then(() => this.#pool.filled()),
      options.signal,
    );
  }

  start(spec: ContainerSpec, sink: OutputSink, options: { signal?: AbortSignal } = {}): Promise<RunningContainer> {
    return this.#calm.during(() => this.#start(spec, sink, options.signal));
  }

  async #start(spec: ContainerSpec, sink: OutputSink, signal: AbortSignal | undefined): Promise<RunningContainer> {
    signal?.throwIfAborted();
    const from = performance.now();
    const phases: { phase: string; atMs: number }[] = [];
    const mark: Mark = (phase) => phases.push({ phase, atMs: performance.now() - from });
    const { id } = spec;
    await this.#ending.get(id)?.done;
    const disks = disksOf(spec.mounts);
    const recipe = this.#recipe({ rootfs: spec.rootfs, ...spec.limits }, disks);
    const restarted = this.#containers.hasScratch(id);
    await this.#scratch.checkRoom();
    mark('admitted');
    // A machine with disks gets them when it is made.
    let child = restarted || disks.length > 0 ? undefined : this.#pool.take(recipe.key);
    const source = child === undefined ? 'clone' : 'pool';
    try {
      if (child === undefined)
        child = await this.#limiter.run(() => this.#onDemand(id, recipe, mark), { urgent: true, ...(signal === undefined ? {} : { signal }) });
      else {
        mark('taken');
        this.#children.adopted(child);
        this.#containers.assign(id, child.record.id);
        renameSync(child.record.scratch, this.#containers.scratch(id));
      }
      child.record = { ...child.record, container: id, scratch: this.#containers.scratch(id) };
      writeRecord(child.vm.paths.directory, child.record);
      mark('assigned');
      signal?.throwIfAborted();
      const nics = new NicBay(this.#taps, child.vm, child.record);
      await nics.attachAll(spec.networks);
      mark('connected');
      await share(join(this.#options.stateDirectory, 'native'), child.vm, spec.mounts);
      const { startedAtMs } = await this.#agentStart(child, spec);
      mark('executed');
      signal?.throwIfAborted();
      this.#options.onTrace?.({ id, source, phases });
      this.warm({ rootfs: spec.rootfs, ...spec.limits });
      return this.#hold(id, child, nics, startedAtMs, sink);
    } catch (error) {
      // Before its layer is thrown away: whether the machine had died while it waited, which is no fault of this container's.
      const diedWaiting = source === 'pool' && isFault(error, 'vm-failed') && (await child?.vm.endsSoon()) === true;
      await child?.agent[Symbol.asyncDispose]();
      await child?.vm.destroy();
      if (restarted) this.#containers.release(id);
      else await this.#containers.remove(id);
      if (diedWaiting) return await this.#start(spec, sink, signal);
      throw error;
    }
  }

  async #agentStart(child: Child, spec: ContainerSpec): Promise<{ startedAtMs: number }> {
    try {
      return await child.agent.start(spec);
    } catch (error) {
      if (isFault(error) && error.code !== 'agent-lost') throw error;
      throw child.vm.failure('the virtual machine ended while its container was being started', error);
    }
  }

  async adopt(id: RunningId, sink: OutputSink, options: { signal?: AbortSignal } = {}): Promise<RunningContainer | undefined> {
    const vmId = this.#containers.vmOf(id);
    if (vmId === undefined || this.#ending.has(id)) return undefined;
    const paths = vmPaths(join(this.#vms, vmId));
    const record = readRecord(paths.directory);
    const vm = record === undefined ? undefined : VmProcess.find(record.pid, record.startTicks, paths);
    if (record === undefined || vm === undefined) return undefined;
    const agent = vm.connectAgent();
    const limit = AbortSignal.timeout(ADOPT_LIMIT_MS);
    try {
      const state = await agent.hello({ resume: true, signal: options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]) });
      if ((state.phase === 'running' || state.phase === 'exited') && state.startedAtMs !== undefined) {
        this.#own.add(record.id);
        return this.#hold(id, { vm, agent, record }, new NicBay(this.#taps, vm, record), state.startedAtMs, sink);
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      this.#options.log('warn', `the virtual machine of container ${id.slice(0, 12)} does not answer: ${String(error)}`);
    }
    // Started by nobody, or beyond help: nothing of the container runs.
    await agent[Symbol.asyncDispose]();
    await vm.destroy();
    this.#containers.release(id);
    return undefined;
  }

  async list(): Promise<RunningId[]> {
    return this.#containers.list();
  }

  async stopLeftovers(id: RunningId): Promise<void> {
    await this.#running.get(id)?.destroy();
    await this.#ending.get(id)?.done;
    const vmId = this.#containers.vmOf(id);
    if (vmId === undefined) return;
    await this.#endVm(vmId, { gently: true });
    this.#containers.release(id);
  }

  async remove(id: RunningId): Promise<void> {
    await this.#running.get(id)?.destroy();
    const ending = this.#ending.get(id);
    // What it would still write, nobody will read. Its end is awaited by nobody but the closing of the runtime.
    if (ending !== undefined) ending.vm.kill();
    else {
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
    // A QEMU whose directory is gone.
    const mark = `berth.${this.#instance}.`;
    const strays = findProcesses((args) => args[1] === '-name' && (args[2] ?? '').startsWith(mark) && foreign((args[2] ?? '').slice(mark.length)));
    for (const pid of strays) process.kill(pid, 'SIGKILL');
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
    await Promise.allSettled([...this.#ending.values()].map((ending) => ending.done));
    await Promise.allSettled(this.#background);
    await Promise.allSettled([...this.#running.values()].map((running) => running.release()));
  }

  #recipe(request: WarmRequest, disks: readonly string[] = []): Recipe {
    return recipeFor(request, { disks, emulated: this.#verdict.acceleration === 'tcg', templates: this.#templates });
  }

  async #warm(recipe: Recipe): Promise<void> {
    await this.#calm.settled(40, 1_500);
    await this.#children.prepare(recipe);
    this.#pool.want(recipe);
  }

  async #onDemand(id: string, recipe: Recipe, mark: Mark): Promise<Child> {
    mark('admitted');
    try {
      this.#children.checkRoom();
    } catch (error) {
      // Children that wait for nobody in particular give way.
      if (!(await this.#pool.drain())) throw error;
    }
    return await this.#children.forContainer(id, recipe, mark);
  }

  /** From here on the container has its VM. */
  #hold(id: string, child: Child, nics: NicBay, startedAtMs: number, sink: OutputSink): RunningVm {
    const { vm, agent } = child;
    const running = new RunningVm({ id, vm, agent, nics, startedAtMs, sink, destroy: async (current) => this.#end(id, vm, nics, current) });
    this.#running.set(id, running);
    return running;
  }

  /**
   * Cuts it off the networks at once. The guest's file system is written back behind the caller's back, since somebody
   * may be waiting for the container to be gone; whoever needs the writable layer next waits for `#ending`.
   */
  #end(id: string, vm: VmProcess, nics: NicBay, agent: GuestConnection): void {
    nics.detachAll();
    this.#running.delete(id);
    const done = (async () => {
      await shutDown(vm, agent, SHUTDOWN_LIMIT_MS);
      await vm.destroy();
      if (this.#ending.get(id)?.vm === vm) this.#containers.release(id);
    })()
      .catch((error: unknown) => this.#options.log('error', `a virtual machine could not be ended: ${String(error)}`))
      .finally(() => {
        if (this.#ending.get(id)?.vm === vm) this.#ending.delete(id);
      });
    this.#ending.set(id, { vm, done });
  }

  /** Ends a VM of an earlier daemon, whatever is left of it; `gently`: its writable layer is written back first. */
  async #endVm(vmId: string, options: { gently: boolean }): Promise<void> {
    const paths = vmPaths(join(this.#vms, vmId));
    const record = readRecord(paths.directory);
    const vm = record === undefined ? undefined : VmProcess.find(record.pid, record.startTicks, paths);
    if (vm !== undefined) {
      if (options.gently) await shutDown(vm, undefined, SHUTDOWN_LIMIT_MS);
      await vm.destroy();
    }
    // Started, but its pid was never written down.
    const name = `berth.${this.#instance}.${vmId}`;
    for (const pid of findProcesses((args) => args[1] === '-name' && args[2] === name)) {
      await VmProcess.find(pid, processStartTicks(pid) ?? -1, paths)?.destroy();
    }
    await rm(paths.directory, { recursive: true, force: true });
  }
}
