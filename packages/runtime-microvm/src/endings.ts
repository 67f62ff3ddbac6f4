import type { GuestConnection } from '@berth/guest-protocol';
import type { Containers } from './containers.ts';
import type { VmProcess } from './vm/process.ts';
import { shutDown } from './vm/shutdown.ts';

interface Ending {
  readonly vm: VmProcess;
  readonly done: Promise<void>;
}

/**
 * Virtual machines that are no longer anybody's. Their guests write the file system back behind the caller's back, since
 * somebody may be waiting for the container to be gone; whoever needs the writable layer next waits.
 */
export class Endings {
  readonly #containers: Containers;
  readonly #limitMs: number;
  readonly #log: (level: 'error', message: string) => void;
  readonly #ending = new Map<string, Ending>();

  constructor(containers: Containers, limitMs: number, log: (level: 'error', message: string) => void) {
    this.#containers = containers;
    this.#limitMs = limitMs;
    this.#log = log;
  }

  has(id: string): boolean {
    return this.#ending.has(id);
  }

  /** Resolves when the writable layer is free. */
  async over(id: string): Promise<void> {
    await this.#ending.get(id)?.done;
  }

  begin(id: string, vm: VmProcess, agent: GuestConnection): void {
    const done = (async () => {
      await shutDown(vm, agent, this.#limitMs);
      await vm.destroy();
      if (this.#ending.get(id)?.vm === vm) this.#containers.release(id);
    })()
      .catch((error: unknown) => this.#log('error', `a virtual machine could not be ended: ${String(error)}`))
      .finally(() => {
        if (this.#ending.get(id)?.vm === vm) this.#ending.delete(id);
      });
    this.#ending.set(id, { vm, done });
  }

  /** What it would still write, nobody will read. False when there is none. */
  cutShort(id: string): boolean {
    const ending = this.#ending.get(id);
    ending?.vm.kill();
    return ending !== undefined;
  }

  async settled(): Promise<void> {
    await Promise.allSettled([...this.#ending.values()].map((ending) => ending.done));
  }
}
