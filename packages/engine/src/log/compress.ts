import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Segment } from './segment.ts';

const deflate = promisify(gzip);

/**
 * Replaces a file of a log by a compressed one. The plain one goes only after the other has its name; killed in between, both
 * are there and the plain one counts. A failure leaves it plain.
 */
export async function compressFile(segment: Segment, path: string): Promise<void> {
  const plain = segment.path;
  const part = `${path}.part`;
  try {
    if (segment.dropped || segment.isCompressed) return;
    await writeFile(part, await deflate(await readFile(plain)), { mode: 0o600 });
    if (!segment.dropped) {
      await rename(part, path);
      segment.compressedTo(path);
      await rm(plain, { force: true });
      if (segment.dropped) await rm(path, { force: true });
    }
  } catch {
    // It has been dropped meanwhile, or the disk is full.
  } finally {
    await rm(part, { force: true }).catch(() => undefined);
  }
}
