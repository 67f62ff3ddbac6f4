import { statSync, unlinkSync } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf } from '../digest.ts';
import { withDiskFull } from '../faults.ts';

/** Where things lie. Everything but `incoming` is complete, synced and immutable once its name is there. */
export class Files {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  get database(): string {
    return join(this.directory, 'images.db');
  }

  /** The tar of a layer as it came, compressed. */
  blob(diffId: string, compression: 'gzip' | 'zstd'): string {
    return join(this.directory, 'layers', `${hexOf(diffId)}.tar.${compression === 'gzip' ? 'gz' : 'zst'}`);
  }

  /** What machines mount. */
  squash(diffId: string): string {
    return join(this.directory, 'squashfs', `${hexOf(diffId)}.squashfs`);
  }

  /** Blobs on their way in from registries; they outlive the process that fetches them. */
  get downloads(): string {
    return join(this.directory, 'downloads');
  }

  async prepare(): Promise<void> {
    for (const name of ['', 'layers', 'squashfs', 'incoming']) await mkdir(join(this.directory, name), { recursive: true, mode: 0o700 });
    // What earlier versions made of the lowest layers when there were many.
    await rm(join(this.directory, 'merged'), { recursive: true, force: true });
  }

  /** A directory for one operation's unfinished files, on the same file system as the finished ones; gone when disposed. */
  async workspace(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(this.directory, 'incoming', 'op-')).catch(rethrow));
  }

  /** Deletes what a dead process left unfinished. */
  async removeIncoming(): Promise<void> {
    for (const name of await readdir(join(this.directory, 'incoming'))) {
      await rm(join(this.directory, 'incoming', name), { recursive: true, force: true });
    }
  }

  /**
   * Deletes finished files that nothing speaks of; gives the bytes freed on disk. `keeps` is asked right before each
   * deletion, with nothing in between, so that a file that is just being published again is safe.
   */
  async removeUnknown(keeps: (path: string, id: string) => boolean): Promise<number> {
    let freedBytes = 0;
    for (const folder of ['layers', 'squashfs']) {
      for (const name of await readdir(join(this.directory, folder))) {
        const path = join(this.directory, folder, name);
        if (keeps(path, `sha256:${name.slice(0, 64)}`)) continue;
        freedBytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
        try {
          unlinkSync(path);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        }
      }
    }
    return freedBytes;
  }
}

export class Workspace implements AsyncDisposable {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  path(name: string): string {
    return join(this.#directory, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Gives a finished (synced) file its final name, durably. */
export async function publish(from: string, to: string): Promise<void> {
  await rename(from, to).catch(rethrow);
  await syncDirectory(join(to, '..'));
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } catch (error) {
    throw withDiskFull(error);
  } finally {
    await file.close();
  }
}

/** A write may take less than it was given. */
export async function writeAll(file: FileHandle, data: Buffer, at: number): Promise<void> {
  for (let done = 0; done < data.length; ) done += (await file.write(data, done, data.length - done, at + done)).bytesWritten;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function rethrow(error: unknown): never {
  throw withDiskFull(error);
}
