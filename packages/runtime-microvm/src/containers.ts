import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The folder of each container: its writable layer, and which VM runs it. */
export class Containers {
  readonly #directory: string;
  readonly #trash: string;
  #thrown = 0;

  /** `trash` must be on the same file system. */
  constructor(directory: string, trash: string) {
    this.#directory = directory;
    this.#trash = trash;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    mkdirSync(trash, { recursive: true, mode: 0o700 });
  }

  scratch(id: string): string {
    return join(this.#folder(id), 'scratch');
  }

  hasScratch(id: string): boolean {
    return existsSync(this.scratch(id));
  }

  /** Written before the VM is used for it: from here on the VM belongs to the container. */
  assign(id: string, vmId: string): void {
    mkdirSync(this.#folder(id), { recursive: true, mode: 0o700 });
    writeFileSync(join(this.#folder(id), 'vm'), vmId);
  }

  release(id: string): void {
    rmSync(join(this.#folder(id), 'vm'), { force: true });
  }

  /** `undefined` also while its VM has no id yet: an empty one would name the folder of them all. */
  vmOf(id: string): string | undefined {
    try {
      return readFileSync(join(this.#folder(id), 'vm'), 'utf8') || undefined;
    } catch {
      return undefined;
    }
  }

  list(): string[] {
    return readdirSync(this.#directory);
  }

  /** Gone for everybody when this returns; the disk's blocks are freed in the time of whoever awaits the result. */
  remove(id: string): Promise<void> {
    const away = join(this.#trash, `${process.pid}-${this.#thrown++}`);
    try {
      renameSync(this.#folder(id), away);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Promise.resolve();
      throw error;
    }
    return rm(away, { recursive: true, force: true });
  }

  /** What an earlier daemon threw away and did not live to delete. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#trash)) await rm(join(this.#trash, name), { recursive: true, force: true });
  }

  #folder(id: string): string {
    // An id is a name of a folder here; nothing else may be.
    if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw new RangeError(`${id} is no id of a container`);
    return join(this.#directory, id);
  }
}
