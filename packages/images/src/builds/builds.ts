import { sha256 } from '../digest.ts';
import { imageNotFound } from '../faults.ts';
import type { LayerStore } from '../layer/layer-store.ts';
import type { Limits } from '../limits.ts';
import type { Image, ImageConfiguration } from '../port.ts';
import type { Files } from '../store/files.ts';
import type { Rows } from '../store/rows.ts';
import { END_OF_ARCHIVE } from '../tar/tar-writer.ts';
import { ArchiveTree } from './archive-tree.ts';
import type { FileTree } from './file-tree.ts';
import { ImageTrees } from './image-trees.ts';
import { type BuildStep, type ImageBuilds, PASSING } from './port.ts';

const EMPTY_LAYER = sha256(END_OF_ARCHIVE);

export interface BuildsDeps {
  readonly files: Files;
  readonly rows: Rows;
  readonly layers: LayerStore;
  readonly limits: Limits;
  readonly now: () => number;
  readonly architecture: string;
  readonly unlease: (owner: string) => void;
}

/**
 * Images as builds make them. The cache of a build is the images that earlier ones made: each remembers its parent and the key
 * of its step, and goes with the last image that was made of it.
 */
export class Builds implements ImageBuilds {
  readonly #deps: BuildsDeps;
  readonly #trees: ImageTrees;

  constructor(deps: BuildsDeps) {
    this.#deps = deps;
    this.#trees = new ImageTrees(deps.layers);
  }

  cached(parentId: string, key: string): Image | undefined {
    const id = this.#deps.rows.builtImage(parentId, key);
    return id === undefined ? undefined : this.#deps.rows.image(id);
  }

  async step(step: BuildStep): Promise<Image> {
    const { files, rows, layers, now } = this.#deps;
    const below = (step.parent?.layers ?? []).map(({ diffId }) => diffId);
    using _below = layers.pin(below);
    await using workspace = await files.workspace();
    const added = step.layer === undefined ? undefined : await layers.add(step.layer, workspace, step.signal);
    using _pinned = added?.pinned ?? nothingHeld;
    const diffIds = added === undefined || added.diffId === EMPTY_LAYER ? below : [...below, added.diffId];
    step.signal.throwIfAborted();
    const nowMs = now();
    const configuration = Buffer.from(JSON.stringify(this.#configuration(step, diffIds, diffIds.length === below.length, nowMs)));
    const id = sha256(configuration);
    rows.transaction(() => {
      rows.putImage(id, configuration, diffIds, nowMs);
      rows.putBuild(id, step.parent?.id ?? '', step.key);
      rows.putLease(step.owner, id);
    });
    return rows.image(id) ?? missing(id);
  }

  async forget(owner: string): Promise<void> {
    const { rows, unlease } = this.#deps;
    rows.transaction(() => {
      for (const id of rows.leasedImages(owner)) if (rows.buildKey(id)?.startsWith(PASSING) === true) rows.markRemoved(id);
    });
    unlease(owner);
  }

  tree(image: Image): Promise<FileTree> {
    return this.#trees.of(image.layers.map(({ diffId }) => diffId));
  }

  async archive(tar: AsyncIterable<Buffer>, { bytes, signal }: { bytes: number; signal: AbortSignal }): Promise<ArchiveTree> {
    const workspace = await this.#deps.files.workspace();
    try {
      return await ArchiveTree.open(tar, workspace, { bytes, limits: this.#deps.limits, signal });
    } catch (error) {
      await workspace[Symbol.asyncDispose]();
      throw error;
    }
  }

  #configuration(step: BuildStep, diffIds: readonly string[], empty: boolean, nowMs: number): ImageConfiguration {
    const { architecture = this.#deps.architecture, os = 'linux', variant, history = [] } = step.parent?.configuration ?? {};
    const created = new Date(nowMs).toISOString();
    const author = step.author === '' ? {} : { author: step.author };
    return {
      architecture,
      ...author,
      config: step.config,
      ...(step.containerId === '' ? {} : { container: step.containerId }),
      created,
      history: [...history, { created, created_by: step.createdBy, ...author, ...(empty ? { empty_layer: true } : {}) }],
      os,
      rootfs: { type: 'layers', diff_ids: [...diffIds] },
      ...(variant === undefined ? {} : { variant }),
    };
  }
}

const nothingHeld: Disposable = { [Symbol.dispose]: () => undefined };

function missing(id: string): never {
  throw imageNotFound(id);
}
