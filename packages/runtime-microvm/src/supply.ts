import { renameSync } from 'node:fs';
import type { Children } from './children.ts';
import type { Containers } from './containers.ts';
import type { Endings } from './endings.ts';
import type { Limiter } from './limiter.ts';
import type { Pool, Recipe } from './pool.ts';
import type { ScratchMaker } from './scratch.ts';
import type { Child, Mark } from './vm/child.ts';
import { writeRecord } from './vm/record.ts';

export interface SupplyDeps {
  readonly containers: Containers;
  readonly endings: Endings;
  readonly scratch: ScratchMaker;
  readonly pool: Pool;
  readonly children: Children;
  readonly limiter: Limiter;
}

/** Prepared machines for containers: one that waits, or one made now. */
export class Supply {
  readonly #deps: SupplyDeps;

  constructor(deps: SupplyDeps) {
    this.#deps = deps;
  }

  /** A machine on this container's writable layer, which is made if it has none. Leaves nothing behind when it fails. */
  async take(
    id: string,
    recipe: Recipe,
    mark: Mark,
    { disks, signal }: { disks: readonly string[]; signal?: AbortSignal },
  ): Promise<{ child: Child; source: 'pool' | 'clone' }> {
    const { containers, endings, scratch, pool, children, limiter } = this.#deps;
    await endings.over(id);
    const hadLayer = containers.hasScratch(id);
    await scratch.checkRoom();
    mark('admitted');
    let child = hadLayer || disks.length > 0 ? undefined : pool.take(recipe.key);
    const source = child === undefined ? 'clone' : 'pool';
    try {
      if (child === undefined)
        child = await limiter.run(() => this.#onDemand(id, recipe, disks, mark), { urgent: true, ...(signal === undefined ? {} : { signal }) });
      else {
        mark('taken');
        children.adopted(child);
        containers.assign(id, child.record.id);
        renameSync(child.record.scratch, containers.scratch(id));
      }
      child.record = { ...child.record, container: id, scratch: containers.scratch(id) };
      writeRecord(child.vm.paths.directory, child.record);
      mark('assigned');
      return { child, source };
    } catch (error) {
      await this.giveUp(id, child, { keepLayer: hadLayer });
      throw error;
    }
  }

  /** Takes back what `take` gave. */
  async giveUp(id: string, child: Child | undefined, options: { readonly keepLayer: boolean }): Promise<void> {
    await child?.agent[Symbol.asyncDispose]();
    await child?.vm.destroy();
    if (options.keepLayer) this.#deps.containers.release(id);
    else await this.#deps.containers.remove(id);
  }

  async #onDemand(id: string, recipe: Recipe, disks: readonly string[], mark: Mark): Promise<Child> {
    mark('admitted');
    try {
      this.#deps.children.checkRoom();
    } catch (error) {
      // Children that wait for nobody in particular give way.
      if (!(await this.#deps.pool.drain())) throw error;
    }
    return await this.#deps.children.forContainer(id, recipe, disks, mark);
  }
}
