import type { WaitCondition } from './port.ts';

export interface Waited {
  readonly exitCode: number;
  readonly error?: string;
}

/** Those who wait for a container's end. */
export class Waits {
  readonly #waiting: Readonly<Record<WaitCondition, Set<(result: Waited) => void>>> = {
    'not-running': new Set(),
    'next-exit': new Set(),
    removed: new Set(),
  };

  /** Registered at once; rejects with the signal's reason on abort. */
  wait(condition: WaitCondition, signal: AbortSignal): Promise<Waited> {
    const { promise, resolve, reject } = Promise.withResolvers<Waited>();
    const list = this.#waiting[condition];
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

  /** A start failed: nothing runs, but nothing exited either. */
  startFailed(result: Waited): void {
    this.#tell(['not-running'], result);
  }

  exited(result: Waited): void {
    this.#tell(['not-running', 'next-exit'], result);
  }

  removed(result: Waited): void {
    this.#tell(['not-running', 'next-exit', 'removed'], result);
  }

  #tell(conditions: readonly WaitCondition[], result: Waited): void {
    for (const condition of conditions) for (const done of [...this.#waiting[condition]]) done(result);
  }
}
