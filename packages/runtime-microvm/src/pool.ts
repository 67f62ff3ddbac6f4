import type { LayerFile } from '@berth/runtime';
import type { Flavor } from './flavor.ts';
import type { Child } from './vm/child.ts';

/** What children are made from: a flavor, an image's layers, and disks of one container's volumes. */
export interface Recipe {
  readonly key: string;
  readonly flavor: Flavor;
  readonly layers: readonly LayerFile[];
  readonly disks: readonly string[];
}

export interface PoolDeps {
  /** Children for each image; 0: no pool. */
  readonly size: number;
  readonly images: number;
  /** Makes a child; waits its turn, behind whoever starts a container. */
  readonly make: (recipe: Recipe) => Promise<Child>;
  readonly discard: (child: Child) => Promise<void>;
  /** Whether the host can spare memory for one more. */
  readonly hasRoom: () => boolean;
  /** Resolves when no start is under way: refilling must not take the processor from it. */
  readonly calm: () => Promise<void>;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

interface Shelf {
  recipe: Recipe;
  readonly ready: Child[];
  filling: Promise<void> | undefined;
  /** When children were taken or missed lately, milliseconds. */
  readonly demand: number[];
}

/** Demand is counted over so long, and at most so many are kept because of it. */
const DEMAND_MS = 10_000;
const MOST_READY = 8;

/** Children kept ready for the images in use. */
export class Pool {
  readonly #deps: PoolDeps;
  /** Least recently used first. */
  readonly #shelves = new Map<string, Shelf>();
  #closed = false;

  constructor(deps: PoolDeps) {
    this.#deps = deps;
  }

  /** Says that children of this recipe are, or will soon be, wanted; makes them off the path. */
  want(recipe: Recipe): void {
    if (this.#closed || this.#deps.size === 0) return;
    const shelf: Shelf = this.#shelves.get(recipe.key) ?? { recipe, ready: [], filling: undefined, demand: [] };
    shelf.recipe = recipe;
    this.#shelves.delete(recipe.key);
    this.#shelves.set(recipe.key, shelf);
    while (this.#shelves.size > this.#deps.images) {
      const [oldest] = this.#shelves.keys();
      if (oldest === undefined) break;
      const dropped = this.#shelves.get(oldest);
      this.#shelves.delete(oldest);
      for (const child of dropped?.ready.splice(0) ?? []) void this.#deps.discard(child);
    }
    this.#fill(shelf);
  }

  take(key: string): Child | undefined {
    const shelf = this.#shelves.get(key);
    if (shelf === undefined) return undefined;
    shelf.demand.push(performance.now());
    for (;;) {
      const child = shelf.ready.shift();
      if (child === undefined || !child.vm.gone) return child;
      void this.#deps.discard(child);
    }
  }

  /** Gives back memory: every child goes. True when there was one. */
  async drain(): Promise<boolean> {
    const children = [...this.#shelves.values()].flatMap((shelf) => shelf.ready.splice(0));
    await Promise.all(children.map((child) => this.#deps.discard(child)));
    return children.length > 0;
  }

  /** Resolves when every shelf has what it should have, or cannot get it. */
  async filled(): Promise<void> {
    for (;;) {
      const filling = [...this.#shelves.values()].flatMap((shelf) => (shelf.filling === undefined ? [] : [shelf.filling]));
      if (filling.length === 0) return;
      await Promise.all(filling);
    }
  }

  counts(): readonly { readonly recipe: Recipe; readonly ready: number }[] {
    return [...this.#shelves.values()].map(({ recipe, ready }) => ({ recipe, ready: ready.length }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.drain();
    await this.filled();
    await this.drain();
  }

  #target(shelf: Shelf): number {
    const since = performance.now() - DEMAND_MS;
    while (shelf.demand[0] !== undefined && shelf.demand[0] < since) shelf.demand.shift();
    return Math.max(this.#deps.size, Math.min(MOST_READY, shelf.demand.length));
  }

  #fill(shelf: Shelf): void {
    shelf.filling ??= (async () => {
      let failures = 0;
      while (!this.#closed && this.#shelves.get(shelf.recipe.key) === shelf && shelf.ready.length < this.#target(shelf) && failures < 2) {
        await this.#deps.calm();
        if (this.#closed || !this.#deps.hasRoom()) return;
        try {
          const child = await this.#deps.make(shelf.recipe);
          if (this.#closed || this.#shelves.get(shelf.recipe.key) !== shelf) await this.#deps.discard(child);
          else shelf.ready.push(child);
        } catch (error) {
          failures++;
          this.#deps.log('warn', `a virtual machine for the pool could not be made: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    })().finally(() => {
      shelf.filling = undefined;
    });
  }
}
