import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { dataRanges } from '@berth/sys';

const BLOCK = 1 << 20;
const ZEROS = Buffer.alloc(BLOCK);

/**
 * SHA-256 over a file's blocks of 1 MiB that are not all zero, each with its number; so a copy that turned holes into
 * zeros, or zeros into holes, has the same sum. Runs in steps, without holding up the main thread.
 */
export async function sparseChecksum(path: string): Promise<string> {
  await using file = await open(path, 'r');
  const hash = createHash('sha256');
  const { size } = await file.stat();
  hash.update(`${size}\n`);
  const block = Buffer.alloc(BLOCK);
  let next = 0;
  for (const range of dataRanges(file.fd)) {
    for (let at = Math.max(next, Math.floor(range.from / BLOCK) * BLOCK); at < range.to; at += BLOCK) {
      next = at + BLOCK;
      const { bytesRead } = await file.read(block, 0, BLOCK, at);
      if (block.compare(ZEROS, 0, bytesRead, 0, bytesRead) === 0) continue;
      hash.update(`${at}\n`).update(block.subarray(0, bytesRead));
    }
  }
  return hash.digest('hex');
}
