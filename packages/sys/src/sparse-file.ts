import { promisify } from 'node:util';
import { closeSync, fstatSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { Fault } from '@berth/kit';
import { libc } from './libc.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Where a sparse file has data: `[from, to)` in bytes, in order. */
export function* dataRanges(fd: number): Generator<{ readonly from: number; readonly to: number }> {
  const { size } = fstatSync(fd);
  for (let at = 0; at < size; ) {
    const from = Number(libc().lseek(fd, at, SEEK_DATA));
    if (from < 0) return;
    const to = Number(libc().lseek(fd, from, SEEK_HOLE));
    yield { from, to };
    at = to;
  }
}

/**
 * Copies a sparse file with its holes; the file system shares the blocks where it can. The target must not exist. Work is
 * done off the main thread. Fault `copy-failed` (a full disk says ENOSPC in `detail`); nothing is left then.
 */
export async function copySparse(source: string, target: string, options: { mode?: number } = {}): Promise<void> {
  const copy = promisify(libc().copyFileRange.async) as (...args: unknown[]) => Promise<number>;
  const from = openSync(source, 'r');
  try {
    const to = openSync(target, 'wx', options.mode ?? 0o600);
    try {
      ftruncateSync(to, fstatSync(from).size);
      for (const range of dataRanges(from)) {
        for (let at = range.from; at < range.to; ) {
          const source = Buffer.alloc(8);
          source.writeBigInt64LE(BigInt(at));
          const target = Buffer.from(source);
          const done = Number(await copy(from, source, to, target, range.to - at, 0));
          if (done <= 0) throw new Fault('exhausted', 'copy-failed', 'the disk is full or cannot be written');
          at += done;
        }
      }
    } catch (error) {
      rmSync(target, { force: true });
      throw error;
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}
