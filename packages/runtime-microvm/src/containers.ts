import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The folder of each container: its writable layer, and which VM runs it. */
export class Containers {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
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

  async remove(id: string): Promise<void> {
    await rm(this.#folder(id), { recursive: true, force: true });
  }

  #folder(id: string): string {
    // An id is a name of a folder here; nothing else may be.
    if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw new RangeError(`${id} is no id of a container`);
    return join(this.#directory, id);
  }
}
