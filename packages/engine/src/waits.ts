import type { WaitCondition } from './port.ts';

export interface Waited {
  readonly exitCode: number;
  readonly error?: string;
}

/** Those who wait for a container's end. */
export class Waits {
  readonly #exit = new Set<(result: Waited) => void>();
  readonly #removal = new Set<(result: Waited) => void>();

  /** Registered at once; rejects with the signal's reason on abort. */
  wait(condition: WaitCondition, signal: AbortSignal): Promise<Waited> {
    const { promise, resolve, reject } = Promise.withResolvers<Waited>();
    const list = condition === 'removed' ? this.#removal : this.#exit;
    const onAbort = () => {
      list.delete(done);
      reject(signal.reason);
    };
    const done = (result: Waited) => {
      list.delete(done);
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    if (signal.aborted) reject(signal.reason);
    else {
      list.add(done);
      signal.addEventListener('abort', onAbort, { once: true });
    }
    return promise;
  }

  exited(result: Waited): void {
    for (const done of [...this.#exit]) done(result);
  }

  removed(result: Waited): void {
    for (const done of [...this.#exit, ...this.#removal]) done(result);
  }
}
