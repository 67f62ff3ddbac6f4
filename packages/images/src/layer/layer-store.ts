import { createReadStream } from 'node:fs';
import type { LayerFile } from '@berth/runtime';
import { sha256 } from '../digest.ts';
import { digestMismatch } from '../faults.ts';
import type { Limits } from '../limits.ts';
import { type Files, publish, sizeOf, syncFile, type Workspace } from '../store/files.ts';
import type { LayerRow, Rows } from '../store/rows.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { compressionOf, decompressed, peek } from './compression.ts';
import { ingestLayer, type Ingested } from './ingest.ts';
import { planLayer } from './layer-plan.ts';
import { LayerTree } from './layer-tree.ts';
import { layOver, settle } from './merge.ts';
import { type SquashCompression, writeSquashfs } from './squash.ts';
import { spoolTar } from './spool-tar.ts';

/** Block devices a VM has room for; more layers than this are merged from below. */
const MAX_LAYER_FILES = 20;

const CHUNK_BYTES = 256 * 1024;
const PROGRESS_BYTES = 4 * 2 ** 20;

/** Where a layer's bytes come from. */
export interface LayerInput {
  /**
   * A finished file (moved away when it is kept as it is), what has been learnt of it already when it was written, or a
   * stream.
   */
  readonly from: { readonly file: string; readonly ingested?: Ingested } | { readonly stream: AsyncIterable<Buffer> };
  /** What the plain tar must hash to. */
  readonly expected?: { readonly diffId: string; readonly complaint: string };
  /** Told how many bytes of the input have been read, now and then. */
  readonly progressed?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Layers: their tars as they came, and the squashfs made of each. A layer that is there is whole: files are published
 * before the row is written, and what has a file but no row is swept at the next start.
 */
export class LayerStore {
  readonly #files: Files;
  readonly #rows: Rows;
  readonly #limits: Limits;
  readonly #compression: (tarBytes: number) => SquashCompression;
  /** Layers and merges being published right now, so that two loads of one image make each of them once. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** diff id or merge id → operations that count on it before any row does. */
  readonly #pins = new Map<string, number>();

  constructor(files: Files, rows: Rows, limits: Limits, compression: (tarBytes: number) => SquashCompression) {
    this.#files = files;
    this.#rows = rows;
    this.#limits = limits;
    this.#compression = compression;
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
    if (path === this.#files.merged(id)) return this.#rows.hasMerged(id);
    const row = this.#rows.layer(id);
    return row !== undefined && (path === this.#files.squash(id) || path === this.#files.blob(id, row.compression));
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
      await this.#publish(taken, workspace, given.signal);
    });
  }

  /** Takes in a layer from a stream, whatever it is. Gives its diff id, pinned until `pinned` is disposed. */
  async add(stream: AsyncIterable<Buffer>, workspace: Workspace, signal?: AbortSignal): Promise<{ diffId: string; pinned: Disposable }> {
    const taken = await this.#take({ from: { stream } }, workspace, 'layer');
    const { diffId } = taken.ingested;
    const pinned = this.pin([diffId]);
    try {
      await this.#once(diffId, async () => {
        if (this.#rows.layer(diffId) === undefined) await this.#publish(taken, workspace, signal);
      });
    } catch (error) {
      pinned[Symbol.dispose]();
      throw error;
    }
    return { diffId, pinned };
  }

  /** The plain tar of a layer. */
  tar(diffId: string): AsyncIterable<Buffer> {
    const row = this.#row(diffId);
    return decompressed(chunksOf(this.#files.blob(diffId, row.compression)), row.compression);
  }

  /** The tar of a layer as it is kept. */
  kept(diffId: string): { readonly path: string; readonly compression: 'gzip' | 'zstd'; readonly sizeBytes: number } {
    const { compression, blob_bytes: sizeBytes } = this.#row(diffId);
    return { path: this.#files.blob(diffId, compression), compression, sizeBytes };
  }

  tarBytes(diffId: string): number {
    return this.#row(diffId).tar_bytes;
  }

  /** Squashfs files, lowest first, at most `MAX_LAYER_FILES`; `prepare` has been called for this chain. */
  layerFiles(diffIds: readonly string[]): LayerFile[] {
    const { merged, single } = this.#arrange(diffIds);
    const files = single.map((diffId) => ({ path: this.#files.squash(diffId), diffId }));
    return merged.length === 0 ? files : [{ path: this.#files.merged(mergeId(merged)), diffId: mergeId(merged) }, ...files];
  }

  /** The merge a chain of layers needs, if it needs one. */
  mergeOf(diffIds: readonly string[]): string | undefined {
    const { merged } = this.#arrange(diffIds);
    return merged.length === 0 ? undefined : mergeId(merged);
  }

  /** Makes the merged squashfs of the lowest layers when there are too many. The layers are pinned by the caller. */
  async prepare(diffIds: readonly string[], workspace: Workspace, signal?: AbortSignal): Promise<void> {
    const { merged } = this.#arrange(diffIds);
    if (merged.length === 0) return;
    const id = mergeId(merged);
    await this.#once(id, async () => {
      if (this.#rows.hasMerged(id)) return;
      const whole = new LayerTree().root;
      let tarBytes = 0;
      for (const [position, diffId] of merged.entries()) {
        const tree = await this.#treeOf(diffId, position);
        if (position === 0) settle(tree.root);
        layOver(whole, tree.root);
        tarBytes += this.tarBytes(diffId);
      }
      const made = workspace.path(`merged-${id.slice(7, 19)}`);
      const plan = planLayer(whole, merged.length);
      const squashBytes = await writeSquashfs(made, plan, (layer) => this.tar(merged[layer] as string), {
        compression: this.#compression(tarBytes),
        ...(signal === undefined ? {} : { signal }),
      });
      await publish(made, this.#files.merged(id));
      this.#rows.transaction(() => this.#rows.putMerged(id, squashBytes));
    });
  }

  async #treeOf(diffId: string, position: number): Promise<LayerTree> {
    const tree = new LayerTree(position);
    const reader = new TarReader(this.tar(diffId));
    try {
      for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) tree.add(entry);
    } finally {
      await reader.close();
    }
    return tree;
  }

  /** What lies below an opaque root is never seen, so it isn't given to anybody. */
  #arrange(diffIds: readonly string[]): { merged: readonly string[]; single: readonly string[] } {
    const lowest = diffIds.findLastIndex((diffId) => this.#row(diffId).opaque === 1);
    const seen = lowest < 0 ? diffIds : diffIds.slice(lowest);
    if (seen.length <= MAX_LAYER_FILES) return { merged: [], single: seen };
    const split = seen.length - (MAX_LAYER_FILES - 1);
    return { merged: seen.slice(0, split), single: seen.slice(split) };
  }

  async #take(input: LayerInput, workspace: Workspace, label: string): Promise<Taken> {
    const taken = await ('file' in input.from
      ? this.#takeFile(input.from, input, workspace, label)
      : this.#takeStream(input.from.stream, input, workspace, label));
    const { diffId } = taken.ingested;
    if (input.expected !== undefined && input.expected.diffId !== diffId) throw digestMismatch(input.expected.complaint, input.expected.diffId, diffId);
    return taken;
  }

  /** Compressed in a way that can be kept, a file needs no copy. */
  async #takeFile(from: { file: string; ingested?: Ingested }, input: LayerInput, workspace: Workspace, label: string): Promise<Taken> {
    if (from.ingested !== undefined) return { ingested: from.ingested, file: from.file, compression: 'zstd' };
    const { head, whole } = await peek(counted(chunksOf(from.file), input.progressed), 6);
    const compression = compressionOf(head);
    if (compression !== 'gzip' && compression !== 'zstd') return this.#takeStream(whole, input, workspace, label);
    return { ingested: await ingestLayer(abortable(decompressed(whole, compression), input.signal), this.#limits), file: from.file, compression };
  }

  async #takeStream(stream: AsyncIterable<Buffer>, input: LayerInput, workspace: Workspace, label: string): Promise<Taken> {
    const { head, whole } = await peek('file' in input.from ? stream : counted(stream, input.progressed), 6);
    const file = workspace.path(`${label}.tar.zst`);
    const { ingested } = await spoolTar(abortable(decompressed(whole, compressionOf(head)), input.signal), file, this.#limits, 'refuse');
    if (ingested === undefined) throw new Error('a tar that is no layer was not refused');
    return { ingested, file, compression: 'zstd' };
  }

  async #publish({ ingested, file, compression }: Taken, workspace: Workspace, signal?: AbortSignal): Promise<void> {
    const { diffId, tarBytes, tree } = ingested;
    const plan = planLayer(tree.root, 1);
    const made = workspace.path(`${diffId.slice(7, 19)}.squashfs`);
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const source = () => decompressed(chunksOf(file), compression);
    const both = [writeSquashfs(made, plan, source, { compression: this.#compression(tarBytes), signal: either }), syncFile(file)] as const;
    try {
      await Promise.all(both);
    } catch (error) {
      // The other one still works in the workspace: it has to end before that goes.
      stop.abort();
      await Promise.allSettled(both);
      throw error;
    }
    const squashBytes = await both[0];
    const blobBytes = await sizeOf(file);
    await publish(file, this.#files.blob(diffId, compression));
    await publish(made, this.#files.squash(diffId));
    this.#rows.transaction(() =>
      this.#rows.putLayer({
        diff_id: diffId,
        compression,
        blob_bytes: blobBytes,
        tar_bytes: tarBytes,
        content_bytes: plan.contentBytes,
        squash_bytes: squashBytes,
        opaque: plan.opaque ? 1 : 0,
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
  readonly ingested: Ingested;
  /** The tar as it is kept, on the store's file system. */
  readonly file: string;
  readonly compression: 'gzip' | 'zstd';
}

function mergeId(diffIds: readonly string[]): string {
  return sha256(`merged\n${diffIds.join('\n')}`);
}

function chunksOf(file: string): AsyncIterable<Buffer> {
  return createReadStream(file, { highWaterMark: CHUNK_BYTES });
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
