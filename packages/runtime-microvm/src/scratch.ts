import { mkdir, rename, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFault } from '@berth/kit';
import { copySparse, run } from '@berth/sys';
import { faults } from './faults.ts';

/** Below this much free space no container is started. */
const MIN_FREE_BYTES = 64 << 20;

/**
 * The journal makes a layer mountable, and what was synced whole, after its machine was killed; the smallest one there is.
 * No checksums of metadata: the emulated processor is slow at them, and the host's disk has its own. The file is all
 * zeros, so nothing is written but superblock, descriptors and root: about 200 KB for 10 GiB.
 */
const MKFS = ['-F', '-q', '-m', '0', '-J', 'size=4', '-O', '^metadata_csum,uninit_bg,^resize_inode,^64bit', '-E', 'assume_storage_prezeroed=1,nodiscard'];

/** Makes writable layers: sparse ext4 files, copied from one that was formatted once. */
export class ScratchMaker {
  readonly #directory: string;
  readonly #blank: string;
  #blankBytes = 0;

  private constructor(directory: string, blank: string) {
    this.#directory = directory;
    this.#blank = blank;
  }

  static async open(directory: string, sizeBytes: number): Promise<ScratchMaker> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const blank = join(directory, `blank-${sizeBytes}-2`);
    const maker = new ScratchMaker(directory, blank);
    if (
      !(await stat(blank).then(
        () => true,
        () => false,
      ))
    ) {
      const temporary = `${blank}.${process.pid}`;
      await writeFile(temporary, '');
      await truncate(temporary, sizeBytes);
      await run('mkfs.ext4', [...MKFS, temporary]);
      await rename(temporary, blank);
    }
    maker.#blankBytes = (await stat(blank)).blocks * 512;
    return maker;
  }

  /** A fresh writable layer at `path`, or a copy of `from`. Fault `disk-full`. */
  async make(path: string, from: string = this.#blank): Promise<void> {
    await this.checkRoom();
    try {
      await copySparse(from, path);
    } catch (error) {
      if (isFault(error, 'copy-failed')) throw faults.diskFull(this.#directory, error.detail ?? error.message, error);
      throw error;
    }
  }

  /** Fault `disk-full` when the disk has no room for so much; by default, for a container that writes anything. */
  async checkRoom(bytes = MIN_FREE_BYTES): Promise<void> {
    const { bavail, bsize } = await statfs(this.#directory);
    if (bavail * bsize < bytes) throw faults.diskFull(this.#directory, `${bavail * bsize} bytes are left`);
  }

  /** Bytes on disk that a layer has beyond an empty one; 0 when there is none. */
  async usedBytes(path: string): Promise<number> {
    const blocks = await stat(path).then(
      (info) => info.blocks * 512,
      () => 0,
    );
    return Math.max(0, blocks - this.#blankBytes);
  }

  async remove(path: string): Promise<void> {
    await rm(path, { force: true });
  }
}
