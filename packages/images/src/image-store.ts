import { Readable } from 'node:stream';
import type { Logger } from './logger.ts';
import type { Rootfs } from '@berth/runtime';
import { releaseFreedMemory } from '@berth/sys';
import { chooseToSave } from './archive/choose-to-save.ts';
import { saveArchive } from './archive/save-archive.ts';
import { loadArchive } from './archive/load-archive.ts';
import { Builds } from './builds/builds.ts';
import { BUILD_OWNER, PASSING } from './builds/port.ts';
import { commitLayer } from './commit.ts';
import { imageNotFound, referenceInvalid, withDiskFull } from './faults.ts';
import { type ImportOptions, importRootfs } from './import-rootfs.ts';
import { LayerStore } from './layer/layer-store.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import type { CommitOptions, Image, Images, Progress } from './port.ts';
import { familiar, parseNamed, parseReference, withDefaultTag } from './reference.ts';
import { dropAncestors, dropImage, type ImageUser, type Removal, removeImage } from './removal/remove-image.ts';
import { type RegistryDeps, RegistryOperations } from './registry/registry-operations.ts';
import type { RegistrySettings } from './registry/settings.ts';
import { openDatabase } from './store/database.ts';
import { DistributionRows } from './store/distribution-rows.ts';
import { Files } from './store/files.ts';
import { Rows } from './store/rows.ts';

export interface ImageStoreOptions {
  /** Everything lies below it: rows, tars, squashfs. Made when missing. One process at a time. */
  readonly directory: string;
  readonly log?: Logger;
  /** Bounds on archives; defaults in limits.ts. */
  readonly limits?: Partial<Limits>;
  readonly now?: () => number;
  readonly registries?: RegistrySettings;
}

/** Docker's architecture names for Node's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The image store of one machine. */
export class ImageStore implements Images {
  readonly directory: string;
  readonly registries: RegistryOperations;
  readonly builds: Builds;
  readonly #files: Files;
  readonly #rows: Rows;
  readonly #layers: LayerStore;
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #log: Logger | undefined;
  #collecting: Promise<unknown> = Promise.resolve();
  #releasing: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(deps: RegistryDeps, registries: RegistryOperations) {
    this.#log = deps.log;
    this.#files = deps.files;
    this.directory = deps.files.directory;
    this.#rows = deps.rows;
    this.#layers = deps.layers;
    this.#limits = deps.limits;
    this.#now = deps.now;
    this.registries = registries;
    this.builds = new Builds({ ...deps, unlease: (owner) => this.unlease(owner) });
  }

  /** Opens or makes the store and removes what an earlier process left unfinished. Faults: `store-in-use`, `disk-full`. */
  static async open(options: ImageStoreOptions, { signal }: { signal?: AbortSignal } = {}): Promise<ImageStore> {
    const files = new Files(options.directory);
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    try {
      await files.prepare();
      const database = openDatabase(files.database, files.directory);
      const rows = new Rows(database);
      try {
        signal?.throwIfAborted();
        const layers = new LayerStore(files, rows, limits);
        const deps: RegistryDeps = {
          files,
          rows,
          remembered: new DistributionRows(database),
          layers,
          limits,
          now: options.now ?? Date.now,
          log: options.log,
          architecture: ARCHITECTURES[process.arch] ?? process.arch,
        };
        const store = new ImageStore(deps, await RegistryOperations.open(deps, options.registries ?? {}));
        await files.removeIncoming();
        rows.transaction(() => {
          rows.deleteLeasesBeginning(BUILD_OWNER);
          rows.markBuildsRemoved(PASSING);
        });
        const freedBytes = await store.collect();
        if (freedBytes > 0) options.log?.info({ freedBytes }, 'removed unfinished and unused image files');
        return store;
      } catch (error) {
        rows.close();
        throw error;
      }
    } catch (error) {
      throw withDiskFull(error);
    }
  }

  get(reference: string): Image {
    const parsed = parseReference(reference);
    if (parsed.kind === 'digest') return this.#rows.image(parsed.digest) ?? notFound(parsed.digest);
    const { name, tag, digest } = withDefaultTag(parsed);
    const id = digest === undefined ? this.#rows.taggedImage(name, tag ?? '') : this.#rows.digestedImage(name, digest);
    const image = id === undefined ? undefined : this.#rows.image(id);
    if (image !== undefined) return image;
    const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(reference)?.[1];
    const ids = hex === undefined ? [] : this.#rows.imageIdsBeginning(hex);
    const byPrefix = ids.length === 1 ? this.#rows.image(ids[0] as string) : undefined;
    return byPrefix ?? notFound(familiar(withDefaultTag(parsed)));
  }

  list(): readonly Image[] {
    return this.#rows
      .imageIds()
      .map((id) => this.#rows.image(id))
      .filter((image) => image !== undefined)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  rootfs(image: Image): Rootfs {
    return { layers: this.#layers.layerFiles(image.layers.map((layer) => layer.diffId)) };
  }

  lease(image: Image, owner: string): void {
    if (this.#rows.anyImage(image.id) === undefined) throw imageNotFound(image.id);
    this.#rows.lightly(() => this.#rows.putLease(owner, image.id));
  }

  leased(owner: string): readonly Image[] {
    return this.#rows
      .leasedImages(owner)
      .map((id) => this.#rows.anyImage(id))
      .filter((image) => image !== undefined);
  }

  unlease(owner: string): void {
    const removed = this.#rows.leasedImages(owner).some((id) => this.#rows.isRemoved(id) === true);
    this.#rows.lightly(() => this.#rows.deleteLeases(owner));
    // The last one that needed it is gone: nobody else would come to clean up.
    if (removed)
      this.#collecting = this.#collecting.then(() => this.#collect()).catch((error: unknown) => this.#log?.warn({ error }, 'could not remove unused layers'));
  }

  tag(image: Image, reference: string): void {
    const named = withDefaultTag(parseNamed(reference));
    if (named.digest !== undefined) throw referenceInvalid('refusing to create a tag with a digest reference');
    this.#rows.transaction(() => {
      if (this.#rows.image(image.id) === undefined) throw imageNotFound(image.id);
      this.#rows.putTag(named.name, named.tag ?? 'latest', image.id, this.#now());
    });
  }

  async remove(reference: string, options: { force: boolean; prune: boolean; users: readonly ImageUser[] }): Promise<Removal[]> {
    if (reference.trim() === '') throw referenceInvalid('image name cannot be blank');
    const removals = this.#rows.transaction(() => removeImage(this.#rows, this.get(reference), reference, options));
    await this.collect();
    return removals;
  }

  async load(archive: Readable, options: { progress: Progress; signal?: AbortSignal }): Promise<Image[]> {
    return this.#receiving(archive, options.signal, (bytes) =>
      loadArchive(bytes, {
        files: this.#files,
        rows: this.#rows,
        layers: this.#layers,
        limits: this.#limits,
        now: this.#now,
        platform: { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch },
        ...options,
      }),
    );
  }

  save(references: readonly string[], options: { signal?: AbortSignal } = {}): Readable {
    const saved = chooseToSave(references, this.#rows);
    const pinned = this.#layers.pin(saved.flatMap(({ image }) => image.layers.map((layer) => layer.diffId)));
    const archive = Readable.from(saveArchive(saved, this.#layers), { objectMode: false, highWaterMark: 1 << 20 });
    const stop = () => archive.destroy(options.signal?.reason as Error);
    options.signal?.addEventListener('abort', stop, { once: true });
    archive.once('close', () => {
      pinned[Symbol.dispose]();
      options.signal?.removeEventListener('abort', stop);
    });
    return archive;
  }

  async import(archive: Readable, options: ImportOptions): Promise<Image> {
    return this.#receiving(archive, options.signal, (bytes) =>
      importRootfs(bytes, {
        files: this.#files,
        rows: this.#rows,
        layers: this.#layers,
        now: this.#now,
        architecture: ARCHITECTURES[process.arch] ?? process.arch,
        ...options,
      }),
    );
  }

  async commit(layer: Readable, options: CommitOptions): Promise<Image> {
    return this.#receiving(layer, options.signal, (bytes) =>
      commitLayer(bytes, { files: this.#files, rows: this.#rows, layers: this.#layers, now: this.#now, ...options }),
    );
  }

  async collect(): Promise<number> {
    return (await this.#collect()).diskBytes;
  }

  async prune(options: { danglingOnly: boolean; users: readonly { imageId: string }[]; matches?: (image: Image) => boolean }): Promise<{
    deleted: Removal[];
    reclaimedBytes: number;
  }> {
    const used = new Set(options.users.map((user) => user.imageId));
    const deleted = this.#rows.transaction(() => {
      const removals: Removal[] = [];
      for (const id of this.#rows.imageIds()) {
        const image = this.#rows.image(id);
        if (image === undefined || used.has(id)) continue;
        if (image.tags.length === 0 && image.hasChildren) continue;
        if (options.danglingOnly && image.tags.length > 0) continue;
        if (options.matches !== undefined && !options.matches(image)) continue;
        for (const { name, tag } of this.#rows.tags(id)) {
          removals.push({ Untagged: familiar({ kind: 'named', name, tag }) });
          this.#rows.deleteTag(name, tag);
        }
        for (const { name, digest } of this.#rows.digests(id)) {
          removals.push({ Untagged: familiar({ kind: 'named', name, digest }) });
          this.#rows.deleteDigest(name, digest);
        }
        dropImage(this.#rows, image, removals);
        dropAncestors(this.#rows, image, removals, used);
      }
      return removals;
    });
    const unfinishedBytes = await this.registries.forgetUnfinished();
    return { deleted, reclaimedBytes: unfinishedBytes + (await this.#collect()).contentBytes };
  }

  /** Small facts kept beside the images (which of the local ones were made already). */
  fact(key: string): string | undefined {
    return this.#rows.fact(key);
  }

  setFact(key: string, value: string): void {
    this.#rows.transaction(() => this.#rows.putFact(key, value));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#releasing);
    await this.registries[Symbol.asyncDispose]();
    await this.#collecting;
    this.#rows.close();
  }

  /**
   * A stream that hangs is ended by the signal; what it is ended with is what the caller sees. Otherwise it stays the
   * caller's, also after a refusal in the middle: destroying a request would take the connection away under the answer.
   */
  async #receiving<T>(archive: Readable, signal: AbortSignal | undefined, work: (bytes: AsyncIterable<Buffer>) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const stop = () => archive.destroy(signal?.reason as Error);
    signal?.addEventListener('abort', stop, { once: true });
    // Whoever reads the stream gets its error; before and after that nobody listens.
    archive.on('error', () => undefined);
    try {
      return await work(archive.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>);
    } catch (error) {
      signal?.throwIfAborted();
      throw withDiskFull(error);
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#releaseSoon();
    }
  }

  /** Archives pass through memory that the C library then keeps for itself; it gets time to become free first. */
  #releaseSoon(): void {
    this.#releasing ??= setTimeout(() => {
      this.#releasing = undefined;
      releaseFreedMemory();
    }, 3000).unref();
  }

  async #collect(): Promise<{ contentBytes: number; diskBytes: number }> {
    const contentBytes = this.#rows.transaction(() => this.#forgetUnused());
    return { contentBytes, diskBytes: await this.#files.removeUnknown((path, id) => this.#layers.keeps(path, id)) };
  }

  /** Deletes the rows of what nothing needs. Gives the bytes of content that go with them. */
  #forgetUnused(): number {
    let freedBytes = 0;
    for (const id of this.#rows.removedIds()) if (!this.#rows.isLeased(id)) this.#rows.deleteImage(id);
    for (const layer of this.#rows.unusedLayers(this.#now())) {
      if (this.#layers.isPinned(layer.diff_id)) continue;
      this.#rows.deleteLayer(layer.diff_id);
      freedBytes += layer.content_bytes;
    }
    return freedBytes;
  }
}

function notFound(reference: string): never {
  throw imageNotFound(reference);
}
