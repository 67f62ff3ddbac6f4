import { systemClock, type Clock } from '../clock.ts';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** A clock whose sleepers wake when the test says so. What it tells as time is the real one, which processes go by. */
export class ManualClock implements Clock {
  readonly #real = systemClock();
  readonly #sleepers = new Set<Sleeper>();
  #passedMs = 0;

  nowMs(): number {
    return this.#real.nowMs() + this.#passedMs;
  }

  nowNs(): bigint {
    return this.#real.nowNs() + BigInt(this.#passedMs) * 1_000_000n;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { dueMs: this.#passedMs + ms, wake: resolve };
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#sleepers.add(sleeper);
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** How long those who sleep still have to, shortest first. */
  get sleeping(): number[] {
    return [...this.#sleepers].map(({ dueMs }) => dueMs - this.#passedMs).sort((a, b) => a - b);
  }

  /** Time passes for those who sleep. */
  advance(ms: number): void {
    this.#passedMs += ms;
    for (const sleeper of [...this.#sleepers]) if (sleeper.dueMs <= this.#passedMs) sleeper.wake();
  }
}
