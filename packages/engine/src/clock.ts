/** Time, so that tests can give their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Nanoseconds since the epoch; never the same twice from one clock, so that it can order. */
  nowNs(): bigint;
}

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
  };
}
