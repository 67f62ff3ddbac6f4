import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { LayerFile } from '@berth/runtime';
import { digestMismatch } from '../faults.ts';
import type { Limits } from '../limits.ts';
import { type Files, publish, syncFile, type Workspace } from '../store/files.ts';
import type { LayerRow, Rows } from '../store/rows.ts';
import { compressionOf, decompressed, peek } from './compression.ts';
import { tarIn, type WrittenLayer, writeLayer } from './layer-file.ts';

const CHUNK_BYTES = 256 * 1024;
const PROGRESS_BYTES = 4 * 2 ** 20;

/** Where a layer's bytes come from. */
export interface LayerInput {
  readonly from:
    | { readonly stream: AsyncIterable<Buffer> }
    /** A finished file, moved away when its bytes are to be kept; they begin at `offset`. */
    | { readonly file: string; readonly offset?: number }
    /** A layer's file that is whole already. */
    | { readonly written: WrittenLayer };
  /** What the plain tar must hash to. */
  readonly expected?: { readonly diffId: string; readonly complaint: string };
  /** Told how many bytes of the input have been read, now and then. */
  readonly progressed?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Layers: the squashfs of each, with its plain tar inside, and beside it the compressed tar it came as, if it did. A layer that is
 * there is whole: files are published before the row is written, and what has a file but no row is swept at the next start.
 */
export class LayerStore {
  readonly #files: Files;
  readonly #rows: Rows;
  readonly #limits: Limits;
  /** Layers being published right now, so that two loads of one image make each of them once. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** diff id → operations that count on it before any row does. */
  readonly #pins = new Map<string, number>();

  constructor(files: Files, rows: Rows, limits: Limits) {
    this.#files = files;
    this.#rows = rows;
    this.#limits = limits;
  }

  /** Protects layers (there or yet to come) from collection until disposed. */
  pin(ids: readonly string[]): Disposable {
    for (const id of ids) this.#pins.set(id, (this.#pins.get(id) ?? 0) + 1);
    let done = false;
    return {
      [Symbol.dispose]: () => {
        if (done) return;
        done = true;
        for (const id of ids) {
          const left = (this.#pins.get(id) ?? 1) - 1;
          if (left === 0) this.#pins.delete(id);
          else this.#pins.set(id, left);
        }
      },
    };
  }

  isPinned(id: string): boolean {
    return this.#pins.has(id);
  }

  /** A finished file is kept while a row or an operation in flight speaks of it. */
  keeps(path: string, id: string): boolean {
    if (this.#pins.has(id)) return true;
    const row = this.#rows.layer(id);
    return row !== undefined && (path === this.#files.squash(id) || (row.compression !== 'none' && path === this.#files.blob(id, row.compression)));
  }

  /**
   * Takes in a layer whose diff id is known; does nothing when it is there. The caller has pinned it. A second call for
   * the same layer waits for the first, and only asks for its own input when that failed.
   */
  async ensure(diffId: string, input: LayerInput | (() => Promise<LayerInput>), workspace: Workspace): Promise<void> {
    await this.#once(diffId, async () => {
      if (this.#rows.layer(diffId) !== undefined) return;
      const given = typeof input === 'function' ? await input() : input;
      const taken = await this.#take(given, workspace, diffId.slice(7, 19));
      await this.#publish(taken);
    });
  }

  /** Takes in a layer from a stream, whatever it is. Gives its diff id, pinned until `pinned` is disposed. */
  async add(stream: AsyncIterable<Buffer>, workspace: Workspace, signal?: AbortSignal): Promise<{ diffId: string; pinned: Disposable }> {
    const taken = await this.#take({ from: { stream }, ...(signal === undefined ? {} : { signal }) }, workspace, 'layer');
    const { diffId } = taken.layer;
    const pinned = this.pin([diffId]);
    try {
      await this.#once(diffId, async () => {
        if (this.#rows.layer(diffId) === undefined) await this.#publish(taken);
      });
    } catch (error) {
      pinned[Symbol.dispose]();
      throw error;
    }
    return { diffId, pinned };
  }

  /** The plain tar of a layer. */
  tar(diffId: string): AsyncIterable<Buffer> {
    const { compression, tar_bytes: tarBytes } = this.#row(diffId);
    if (compression === 'none') return tarIn(this.#files.squash(diffId), tarBytes);
    return decompressed(chunksOf(this.#files.blob(diffId, compression)), compression);
  }

  /** The tar of a layer as it came, when it came compressed. */
  kept(diffId: string): { readonly path: string; readonly compression: 'gzip' | 'zstd'; readonly sizeBytes: number } | undefined {
    const { compression, blob_bytes: sizeBytes } = this.#row(diffId);
    return compression === 'none' ? undefined : { path: this.#files.blob(diffId, compression), compression, sizeBytes };
  }

  tarBytes(diffId: string): number {
    return this.#row(diffId).tar_bytes;
  }

  /** Squashfs files, lowest first. What lies below an opaque root is never seen, so it isn't given to anybody. */
  layerFiles(diffIds: readonly string[]): LayerFile[] {
    const lowest = diffIds.findLastIndex((diffId) => this.#row(diffId).opaque === 1);
    return diffIds.slice(Math.max(0, lowest)).map((diffId) => ({ path: this.#files.squash(diffId), diffId }));
  }

  async #take(input: LayerInput, workspace: Workspace, label: string): Promise<Taken> {
    const taken = await this.#read(input, workspace.path(`${label}.squashfs`));
    const { diffId } = taken.layer;
    if (input.expected !== undefined && input.expected.diffId !== diffId) throw digestMismatch(input.expected.complaint, input.expected.diffId, diffId);
    return taken;
  }

  /** Compressed in a way that can be kept, a file is kept as it is. */
  async #read({ from, progressed, signal }: LayerInput, path: string): Promise<Taken> {
    if ('written' in from) return { layer: from.written };
    const source = 'file' in from ? chunksOf(from.file, from.offset) : from.stream;
    const { head, whole } = await peek(counted(source, progressed), 6);
    const compression = compressionOf(head);
    const { layer } = await writeLayer(abortable(decompressed(whole, compression), signal), path, this.#limits, 'refuse');
    if (layer === undefined) throw new Error('a tar that is no layer was not refused');
    const kept = 'file' in from && (from.offset ?? 0) === 0 && (compression === 'gzip' || compression === 'zstd');
    return kept ? { layer, blob: { file: from.file, compression } } : { layer };
  }

  async #publish({ layer, blob }: Taken): Promise<void> {
    const { diffId } = layer;
    let blobBytes = 0;
    if (blob !== undefined) {
      await syncFile(blob.file);
      blobBytes = (await stat(blob.file)).size;
      await publish(blob.file, this.#files.blob(diffId, blob.compression));
    }
    await publish(layer.path, this.#files.squash(diffId));
    this.#rows.transaction(() =>
      this.#rows.putLayer({
        diff_id: diffId,
        compression: blob?.compression ?? 'none',
        blob_bytes: blobBytes,
        tar_bytes: layer.tarBytes,
        content_bytes: layer.contentBytes,
        squash_bytes: layer.fileBytes,
        opaque: layer.opaque ? 1 : 0,
      }),
    );
  }

  /** One at a time per id. Whoever waited looks again itself, for the one before may have failed. */
  async #once(id: string, work: () => Promise<void>): Promise<void> {
    for (let before = this.#busy.get(id); before !== undefined; before = this.#busy.get(id)) await before.catch(() => undefined);
    const mine = work();
    this.#busy.set(id, mine);
    try {
      await mine;
    } finally {
      this.#busy.delete(id);
    }
  }

  #row(diffId: string): LayerRow {
    const row = this.#rows.layer(diffId);
    if (row === undefined) throw new Error(`layer ${diffId} has no row`);
    return row;
  }
}

interface Taken {
  readonly layer: WrittenLayer;
  /** What it came as, on the store's file system. */
  readonly blob?: { readonly file: string; readonly compression: 'gzip' | 'zstd' };
}

function chunksOf(file: string, start = 0): AsyncIterable<Buffer> {
  return createReadStream(file, { start, highWaterMark: CHUNK_BYTES });
}

/** About every 4 MiB: enough for a bar that moves. */
async function* counted(source: AsyncIterable<Buffer>, progressed: ((bytes: number) => void) | undefined): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    const before = bytes;
    bytes += chunk.length;
    if (progressed !== undefined && Math.floor(bytes / PROGRESS_BYTES) !== Math.floor(before / PROGRESS_BYTES)) progressed(bytes);
    yield chunk;
  }
}

async function* abortable(source: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    signal?.throwIfAborted();
    yield chunk;
  }
}
