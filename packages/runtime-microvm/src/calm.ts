import { setTimeout as delay } from 'node:timers/promises';

/** Counts what is on somebody's path, so that what is not can wait for a quiet moment. */
export class Calm {
  #busy = 0;
  #quietSince = performance.now();

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await work();
    } finally {
      this.#busy--;
      this.#quietSince = performance.now();
    }
  }

  /** Resolves once nothing has been on a path for `quietMs`, or after `limitMs`. */
  async settled(quietMs: number, limitMs: number): Promise<void> {
    const until = performance.now() + limitMs;
    for (;;) {
      const now = performance.now();
      const rest = this.#busy > 0 ? quietMs : this.#quietSince + quietMs - now;
      if (rest <= 0 || now >= until) return;
      await delay(Math.min(Math.max(rest, 5), 100), undefined, { ref: false });
    }
  }
}
