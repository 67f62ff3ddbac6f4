import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '@berth/engine';
import { BUILD_OWNER, type FileTree, type Image } from '@berth/images';
import { newId } from '@berth/kit';
import { CacheVolumes } from './cache-volumes.ts';
import { openContext, readDockerfile, remove } from './context.ts';
import { buildCancelled, buildFailed, buildTooLong } from './faults.ts';
import { OneBuild } from './one-build.ts';
import type { BuildCache, Builder, BuildOutput, BuildRequest } from './port.ts';
import type { BuildLimits } from './world.ts';

export interface ImageBuilderOptions {
  readonly engine: Engine;
  /** For the secrets of steps under way: in memory, best. Emptied when opened. */
  readonly directory: string;
  readonly limits?: Partial<BuildLimits>;
  readonly nowMs?: () => number;
}

const defaultBuildLimits: BuildLimits = { buildMs: 6 * 3600_000, contextBytes: 16 * 2 ** 30 };

/** Builds go on beside each other; each has an owner's name for what it needs until its end. */
export class ImageBuilder implements Builder {
  readonly #options: ImageBuilderOptions;
  readonly #limits: BuildLimits;
  readonly #caches: CacheVolumes;
  readonly #closing = new AbortController();
  readonly #work = new Set<Promise<unknown>>();

  private constructor(options: ImageBuilderOptions) {
    this.#options = options;
    this.#limits = { ...defaultBuildLimits, ...options.limits };
    this.#caches = new CacheVolumes(options.engine);
  }

  static async open(options: ImageBuilderOptions): Promise<ImageBuilder> {
    await rm(options.directory, { recursive: true, force: true });
    return new ImageBuilder(options);
  }

  async build(request: BuildRequest, output: BuildOutput, signal: AbortSignal): Promise<Image> {
    const limit = AbortSignal.timeout(this.#limits.buildMs);
    const either = AbortSignal.any([signal, limit, this.#closing.signal]);
    const work = this.#build(request, output, either);
    this.#work.add(work);
    try {
      return await work;
    } catch (error) {
      if (limit.aborted) throw buildTooLong(this.#limits.buildMs);
      throw either.aborted ? buildCancelled() : error;
    } finally {
      this.#work.delete(work);
    }
  }

  caches(): Promise<readonly BuildCache[]> {
    return this.#caches.list();
  }

  prune(matches: (cache: BuildCache) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    return this.#caches.prune(matches);
  }

  /** Cancels what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#work);
  }

  async #build(request: BuildRequest, output: BuildOutput, signal: AbortSignal): Promise<Image> {
    const { engine, nowMs = Date.now } = this.#options;
    const { images } = engine;
    const owner = `${BUILD_OWNER}${newId()}`;
    const directory = join(this.#options.directory, owner);
    signal.throwIfAborted();
    await using context = await openContext(request.context, request.dockerfile, { builds: images.builds, limits: this.#limits, signal });
    const secrets = await takeSecrets(context, request);
    const file = await readDockerfile(context, request.dockerfile);
    try {
      const world = { engine, caches: this.#caches, request, output, context, owner, directory, secrets, limits: this.#limits, nowMs, signal };
      const image = await new OneBuild(world, file).run();
      for (const tag of request.tags) images.tag(image, tag);
      return image;
    } finally {
      await images.builds.forget(owner);
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** They come with the context, and are in it no more. */
async function takeSecrets(context: FileTree, { secrets }: BuildRequest): Promise<Map<string, Buffer>> {
  const taken = new Map<string, Buffer>();
  for (const { id, path } of secrets) {
    const text = await context.text(Buffer.from(path).toString('latin1'));
    if (text === undefined) throw buildFailed(`secret ${id}: there is no file ${path} in the build context`);
    taken.set(id, Buffer.from(text));
  }
  for (const { path } of secrets) remove(context, path);
  return taken;
}
