import { setTimeout as delay } from 'node:timers/promises';

/** Time, so that tests can give their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Nanoseconds since the epoch; never the same twice from one clock, so that it can order. */
  nowNs(): bigint;
  /** Resolves after that long; rejects with the signal's reason on abort. Keeps no process alive. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The longest a timer of the platform can be set to. */
const LONGEST_MS = 2 ** 31 - 1;

export function systemClock(): Clock {
  // The high-resolution clock counts from its own beginning: tie the two together, again and again, since the wall clock
  // may be set.
  let last = 0n;
  return {
    nowMs: () => Date.now(),
    nowNs: () => {
      const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
      const wall = BigInt(Date.now()) * 1_000_000n;
      const drift = now - wall;
      const chosen = drift > 1_000_000_000n || drift < -1_000_000_000n ? wall : now;
      last = chosen > last ? chosen : last + 1n;
      return last;
    },
    sleep: (ms, signal) => delay(Math.min(ms, LONGEST_MS), undefined, { signal, ref: false }),
  };
}
