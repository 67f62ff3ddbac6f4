import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { run } from './run.ts';

/**
 * No checksums of metadata: an emulated processor is slow at them, and the host's disk has its own. A sparse file reads as
 * zeros, so hardly anything is written.
 */
const MKFS = ['-F', '-q', '-m', '0', '-O', '^metadata_csum,uninit_bg,^resize_inode', '-E', 'assume_storage_prezeroed=1,nodiscard'];

/**
 * Makes a sparse file of that size with an empty ext4 file system; it survives a loss of power when this resolves. What was
 * at `path` is replaced. Fault `command-failed` (of mkfs).
 */
export async function makeDisk(path: string, sizeBytes: number): Promise<void> {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.truncate(sizeBytes);
    await run('mkfs.ext4', [...MKFS, temporary]);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), 'r');
  await directory.sync().finally(() => directory.close());
}
