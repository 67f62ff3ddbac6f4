import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import { squashFailed, withDiskFull } from '../faults.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { END_OF_ARCHIVE, padding, tarHeader } from '../tar/tar-writer.ts';
import { keptXattrs, type LayerPlan } from './layer-plan.ts';
import { describeRoot } from './squash-root.ts';

/** How a squashfs stores file content; metadata is never compressed, for the guest pays for it at every start. */
export type SquashCompression = 'none' | 'lz4';

export interface SquashOptions {
  readonly compression: SquashCompression;
  readonly signal?: AbortSignal;
}

/** Gives the (uncompressed) tar of one of the plan's layers from its beginning. */
export type LayerSource = (layer: number) => AsyncIterable<Buffer>;

/**
 * Writes the squashfs of a plan to `path` (which must not exist) and syncs it. The tars are read once more, lowest first;
 * the same plan and tars give the same bytes. Gives the size of the file in bytes. On failure the file may be half there:
 * the caller's temporary directory goes as a whole.
 */
export async function writeSquashfs(path: string, plan: LayerPlan, source: LayerSource, options: SquashOptions): Promise<number> {
  const { root } = plan;
  const args = [
    ...['-quiet', '-no-progress', '-exit-on-error', '-mkfs-time', '0', '-mem', '32M', '-processors', '1'],
    ...['-root-mode', root.mode.toString(8)],
    ...['-noI', '-noId', '-noX'],
    ...(options.compression === 'none' ? ['-noD', '-noF', '-no-fragments'] : ['-comp', options.compression]),
    path,
  ];
  try {
    await run('sqfstar', args, {
      input: Readable.from(batched(tarOf(plan, source)), { objectMode: true, highWaterMark: 2 }),
      timeoutMs: 6 * 3600_000,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    const full = withDiskFull(error);
    if (full === error && isFault(error, 'command-failed')) throw squashFailed(error.detail ?? error.message);
    throw full;
  }
  await describeRoot(path, { uid: root.uid, gid: root.gid, mtime: squashTime(root.mtime) }).catch((error: unknown) => {
    throw withDiskFull(error);
  });
  return (await stat(path)).size;
}

async function* tarOf(plan: LayerPlan, source: LayerSource): AsyncGenerator<Buffer> {
  for (const entry of plan.head) yield tarHeader(bounded(entry));
  for (const [layer, paths] of plan.files.entries()) {
    if (paths.size === 0) continue;
    const reader = new TarReader(source(layer));
    try {
      let left = paths.size;
      for (let index = 0; left > 0; index++) {
        const entry = await reader.next();
        if (entry === undefined) break;
        const path = paths.get(index);
        if (path === undefined) continue;
        left--;
        yield tarHeader(bounded({ ...entry, path, xattrs: keptXattrs(entry.xattrs) }));
        if (entry.sizeBytes > 0) {
          yield* reader.body();
          yield padding(entry.sizeBytes);
        }
      }
    } finally {
      await reader.close();
    }
  }
  for (const { path, target } of plan.links) yield tarHeader({ ...LINK, path, linkPath: target });
  yield END_OF_ARCHIVE;
}

const BATCH_BYTES = 64 * 1024;

/** Joins small pieces: a write for each header of a small file would cost more than the file. Large ones go as they are. */
async function* batched(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    if (size > 0 && size + piece.length > BATCH_BYTES) {
      yield Buffer.concat(held, size);
      held = [];
      size = 0;
    }
    if (piece.length >= BATCH_BYTES) {
      yield piece;
    } else {
      held.push(piece);
      size += piece.length;
    }
  }
  if (size > 0) yield Buffer.concat(held, size);
}

/** Squashfs holds times as unsigned seconds in 32 bits. */
function squashTime(mtime: number): number {
  return Math.min(Math.max(mtime, 0), 0xffff_ffff);
}

function bounded(entry: TarEntry): TarEntry {
  return { ...entry, mtime: squashTime(entry.mtime) };
}

const LINK: TarEntry = {
  kind: 'hardlink',
  path: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtime: 0,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map(),
};
