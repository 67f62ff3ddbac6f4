import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFault } from '@berth/kit';
import { hostMemory } from '@berth/sys';
import type { Containers } from './containers.ts';
import { faults } from './faults.ts';
import type { Recipe } from './pool.ts';
import type { ScratchMaker } from './scratch.ts';
import { LiveTemplate } from './template/live-template.ts';
import type { LiveTemplates } from './template/live-templates.ts';
import type { Template } from './template/manifest.ts';
import type { Templates } from './template/templates.ts';
import { type Child, type ChildDeps, type ChildRequest, makeChild, type Mark } from './vm/child.ts';

/** What a clone takes of the host's memory before its container has done anything. */
const CLONE_BYTES = 64 << 20;

export interface ChildrenDeps {
  readonly child: ChildDeps;
  readonly templates: Templates;
  /** `undefined` where machines cannot be forked (KVM). */
  readonly live: LiveTemplates | undefined;
  readonly scratch: ScratchMaker;
  readonly containers: Containers;
  /** Writable layers of children that have no container yet. */
  readonly waiting: string;
  readonly reserveBytes: number;
}

/** Makes clones, for a container at once or for the pool, with a writable layer each. */
export class Children {
  readonly #deps: ChildrenDeps;
  readonly #ready = new Set<string>();
  readonly #scratches = new Set<string>();
  #made = 0;
  #underway = 0;

  constructor(deps: ChildrenDeps) {
    this.#deps = deps;
  }

  /** There is something to clone that has the image's file systems mounted: a live template, or else one on disk. */
  async prepare(recipe: Recipe): Promise<void> {
    const { live, templates } = this.#deps;
    if (live !== undefined && this.hasRoom()) {
      await live.ensure(recipe.key, () => this.#openLive(recipe));
      if (live.usable(recipe.key) !== undefined) return;
    }
    await templates.image(recipe.flavor, recipe.layers);
    this.#ready.add(recipe.key);
  }

  /** Whether the pool may have one more. */
  hasRoom(): boolean {
    return this.#roomBytes() > 4 * CLONE_BYTES;
  }

  /** Fault `memory-exhausted`. */
  checkRoom(): void {
    const room = this.#roomBytes();
    if (room < CLONE_BYTES) throw faults.memoryExhausted(CLONE_BYTES, Math.max(0, room));
  }

  /** A child for this container, which keeps its writable layer if it has one. */
  async forContainer(id: string, recipe: Recipe, mark: Mark): Promise<Child> {
    const { containers, scratch } = this.#deps;
    const path = containers.scratch(id);
    const fresh = !containers.hasScratch(id);
    const assign = (vmId: string) => containers.assign(id, vmId);
    if (fresh) {
      containers.assign(id, '');
      // A process that is there already has the disks it has.
      const child = recipe.disks.length > 0 ? undefined : await this.#fork(recipe, path, mark, assign, id);
      if (child !== undefined) return child;
    }
    // An image seen for the first time is mounted in a clone of the plain template: sooner than its own would be made.
    // So is a writable layer that has been written to: an image's template remembers a blank one.
    const template =
      fresh && this.#ready.has(recipe.key) ? await this.#deps.templates.image(recipe.flavor, recipe.layers) : await this.#deps.templates.flavor(recipe.flavor);
    mark('template');
    if (fresh) {
      await scratch.make(path, blankOf(template));
      mark('layer made');
    }
    return await this.#make(template, recipe, path, mark, assign, id);
  }

  /** A child for whoever comes. */
  async forPool(recipe: Recipe): Promise<Child> {
    return await this.#withOwnScratch(async (path) => {
      const child = await this.#fork(recipe, path, nothing, nothing);
      if (child !== undefined) return child;
      const template = await this.#deps.templates.image(recipe.flavor, recipe.layers);
      await this.#deps.scratch.make(path, blankOf(template));
      return await this.#make(template, recipe, path, nothing, nothing);
    });
  }

  /** A clone in which a start has been run through, stopped: what others are forked from. */
  async #openLive(recipe: Recipe): Promise<LiveTemplate> {
    return await this.#withOwnScratch(async (path) => {
      const template = await this.#deps.templates.flavor(recipe.flavor);
      await this.#deps.scratch.make(path);
      return await LiveTemplate.open((forkControl) => this.#make(template, recipe, path, nothing, nothing, undefined, forkControl));
    });
  }

  /** A child of the image's live template; `undefined` when there is none, or it turns out to be broken. */
  async #fork(recipe: Recipe, scratch: string, mark: Mark, assign: (vmId: string) => void, container?: string): Promise<Child | undefined> {
    const live = this.#deps.live?.usable(recipe.key);
    if (live === undefined) return undefined;
    this.checkRoom();
    try {
      await this.#deps.scratch.make(scratch, live.scratch);
      mark('layer made');
      return await this.#counted(
        { from: { live }, flavor: recipe.flavor, layers: recipe.layers, disks: recipe.disks, scratch, assign, ...owner(container) },
        mark,
      );
    } catch (error) {
      if (isFault(error, 'disk-full')) throw error;
      await live.close();
      await rm(scratch, { force: true });
      return undefined;
    }
  }

  /** Gives `work` the path of a writable layer that belongs to no container. */
  async #withOwnScratch<T>(work: (path: string) => Promise<T>): Promise<T> {
    const path = join(this.#deps.waiting, `${process.pid}-${this.#made++}`);
    this.#scratches.add(path);
    try {
      return await work(path);
    } catch (error) {
      this.#scratches.delete(path);
      await rm(path, { force: true });
      throw error;
    }
  }

  /** The child's layer is a container's now. */
  adopted(child: Child): void {
    this.#scratches.delete(child.record.scratch);
  }

  async discard(child: Child): Promise<void> {
    await child.agent[Symbol.asyncDispose]();
    await child.vm.destroy();
    this.#scratches.delete(child.record.scratch);
    await rm(child.record.scratch, { force: true });
  }

  /** Removes layers that waited for a container under an earlier daemon. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#deps.waiting)) {
      const path = join(this.#deps.waiting, name);
      if (!this.#scratches.has(path)) await rm(path, { force: true });
    }
  }

  async #make(
    template: Template,
    recipe: Recipe,
    scratch: string,
    mark: Mark,
    assign: (vmId: string) => void,
    container?: string,
    forkControl?: number,
  ): Promise<Child> {
    this.checkRoom();
    const request = { flavor: recipe.flavor, layers: recipe.layers, disks: recipe.disks, scratch, assign, ...owner(container) };
    const from = (origin: Template) => ({ template: origin, ...(forkControl === undefined ? {} : { forkControl }) });
    try {
      return await this.#counted({ ...request, from: from(template) }, mark);
    } catch (error) {
      // Damage shows as anything at all. If that isn't it, the next clone wouldn't fare better.
      if (!(await this.#deps.templates.suspect(template))) throw error;
      const again = template.layers > 0 ? await this.#deps.templates.image(recipe.flavor, recipe.layers) : await this.#deps.templates.flavor(recipe.flavor);
      if (again.layers > 0) {
        // The new template remembers another blank layer than the damaged one did.
        await rm(scratch, { force: true });
        await this.#deps.scratch.make(scratch, blankOf(again));
      }
      return await this.#counted({ ...request, from: from(again) }, mark);
    }
  }

  async #counted(request: ChildRequest, mark: Mark): Promise<Child> {
    this.#underway++;
    try {
      return await makeChild(this.#deps.child, request, mark);
    } finally {
      this.#underway--;
    }
  }

  /** Memory that may still be used, with room kept for the clones that are just being made. */
  #roomBytes(): number {
    return hostMemory().availableBytes - this.#deps.reserveBytes - Math.max(0, this.#underway - 1) * CLONE_BYTES;
  }
}

const nothing = (): void => undefined;
const owner = (container: string | undefined): { container?: string } => (container === undefined ? {} : { container });

/** What a clone's writable layer is copied from; `undefined`: one that nothing has mounted yet. */
const blankOf = (template: Template): string | undefined => (template.layers > 0 ? template.scratch : undefined);
