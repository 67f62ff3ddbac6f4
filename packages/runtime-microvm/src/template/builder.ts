import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copySparse } from '@berth/sys';
import type { LayerFile } from '@berth/runtime';
import { faults } from '../faults.ts';
import { type Flavor, flavorName } from '../flavor.ts';
import { newVmId } from '../identity.ts';
import { arrangeLayers } from '../layer-disks.ts';
import type { Guest } from '../options.ts';
import { scratchPlace } from '../qemu/command-line.ts';
import { vmPaths } from '../qemu/launch.ts';
import type { ScratchMaker } from '../scratch.ts';
import { VmProcess } from '../vm/process.ts';
import { makeManifest, type Template, templateAt } from './manifest.ts';
import { saveTemplate } from './save.ts';

/** A guest's memory once it has booted; QEMU dies of a full disk under it. */
const TEMPLATE_BYTES = 192 << 20;

export interface BuilderDeps {
  readonly templates: string;
  /** `vms/` of the run directory. */
  readonly vms: string;
  readonly instance: string;
  readonly guest: Guest;
  readonly placeholder: string;
  readonly scratch: ScratchMaker;
  /** Remembers that a VM is this daemon's. */
  readonly claim: (vmId: string) => void;
}

/** Makes templates under a temporary name; where one has its final name, it is whole. */
export class TemplateBuilder {
  readonly #deps: BuilderDeps;

  constructor(deps: BuilderDeps) {
    this.#deps = deps;
  }

  /** Boots a guest of this flavor. Fault `template-failed`; `vm-timeout` in its cause when it took too long. */
  async boot(name: string, flavor: Flavor, acceleration: 'kvm' | 'tcg', options: { limitMs: number; signal?: AbortSignal }): Promise<Template> {
    return await this.#make(name, 0, options.signal, async (template) => {
      await writeFile(template.ram, '', { mode: 0o600 });
      await truncate(template.ram, flavor.memoryMib * 1048576);
      const vm = await this.#launch(flavor, acceleration, template, { layers: [], scratch: undefined, from: undefined });
      try {
        await this.#talk(vm, name, options.limitMs, options.signal, async () => undefined);
        await saveTemplate(vm, template);
      } finally {
        await vm.destroy();
      }
    });
  }

  /**
   * Takes a clone of a flavor's template, mounts an image's layers in it, runs through a start, and prepares it for one: a
   * clone of it needs no mounting at all, only a copy of the writable layer as it was at that moment.
   */
  async image(
    name: string,
    base: Template,
    flavor: Flavor,
    acceleration: 'kvm' | 'tcg',
    layers: readonly LayerFile[],
    options: { limitMs: number; signal?: AbortSignal },
  ): Promise<Template> {
    return await this.#make(name, layers.length, options.signal, async (template) => {
      await copySparse(base.ram, template.ram);
      await this.#deps.scratch.make(template.scratch);
      const { disks, places } = arrangeLayers(layers, flavor.layerSlots);
      const vm = await this.#launch(flavor, acceleration, template, { layers: disks, scratch: template.scratch, from: base.state });
      try {
        await vm.running(options.limitMs);
        await this.#talk(vm, name, options.limitMs, options.signal, async (agent) => {
          await agent.mountLayers(places);
          await agent.seal();
          await agent.prepare({ scratch: { index: scratchPlace(flavor) }, format: false });
        });
        await saveTemplate(vm, template);
      } finally {
        await vm.destroy();
      }
    });
  }

  async #make(name: string, layers: number, signal: AbortSignal | undefined, fill: (template: Template) => Promise<void>): Promise<Template> {
    signal?.throwIfAborted();
    await this.#deps.scratch.checkRoom(TEMPLATE_BYTES);
    const temporary = join(this.#deps.templates, `.new-${randomBytes(5).toString('hex')}`);
    const target = join(this.#deps.templates, name);
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    try {
      const template = templateAt(temporary, name, layers);
      await fill(template);
      await writeFile(join(temporary, 'manifest.json'), await makeManifest(template), { mode: 0o600, flush: true });
      await rm(target, { recursive: true, force: true });
      await rename(temporary, target);
      return templateAt(target, name, layers);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  #launch(
    flavor: Flavor,
    acceleration: 'kvm' | 'tcg',
    template: Template,
    parts: { layers: readonly (readonly string[])[]; scratch: string | undefined; from: string | undefined },
  ): Promise<VmProcess> {
    const { guest, instance, placeholder, vms } = this.#deps;
    const id = newVmId();
    this.#deps.claim(id);
    return VmProcess.launch({
      name: `berth.${instance}.${id}`,
      kernel: guest.kernel,
      initramfs: guest.initramfs,
      kernelArguments: guest.commandLine[acceleration],
      flavor,
      acceleration,
      ram: { path: template.ram, shared: true },
      layers: parts.layers,
      disks: [],
      scratch: parts.scratch,
      placeholder,
      paths: vmPaths(join(vms, id)),
      tap: undefined,
      state: parts.from,
      preload: undefined,
      forkControl: undefined,
    });
  }

  /** Speaks with a guest that is to be saved, and hangs up. */
  async #talk(
    vm: VmProcess,
    name: string,
    limitMs: number,
    signal: AbortSignal | undefined,
    say: (agent: ReturnType<VmProcess['connectAgent']>) => Promise<void>,
  ): Promise<void> {
    const limit = AbortSignal.timeout(limitMs);
    const agent = vm.connectAgent();
    const stop = () => vm.kill();
    limit.addEventListener('abort', stop, { once: true });
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await agent.hello({ signal: signal === undefined ? limit : AbortSignal.any([limit, signal]) });
      await say(agent);
    } catch (error) {
      signal?.throwIfAborted();
      throw faults.templateFailed(`${name} (${flavorOf(name)})`, vm.lastWords(), limit.aborted ? faults.deadline('booting the guest', limitMs) : error);
    } finally {
      limit.removeEventListener('abort', stop);
      signal?.removeEventListener('abort', stop);
      await agent[Symbol.asyncDispose]();
    }
  }
}

const flavorOf = (name: string): string => name.split('-').slice(0, 3).join('-');

/** Directory name of a flavor's template. */
export function flavorTemplateName(flavor: Flavor, key: string): string {
  return `${flavorName(flavor)}-${key}`;
}
