import { setTimeout as delay } from 'node:timers/promises';
import type { Side } from './side.ts';

/**
 * Takes samples of A, B, A, B, …; the first `warmUp` of each are thrown away. Before each sample there is a short rest, so
 * that what one side does after its answer (removals, refilling a pool) is not charged to the other.
 */
export async function alternate(
  sides: readonly Side[],
  options: { runs: number; warmUp: number; restMs: number },
  sample: (side: Side) => Promise<number>,
): Promise<Record<string, number[]>> {
  const taken: Record<string, number[]> = Object.fromEntries(sides.map((side) => [side.name, []]));
  for (let index = -options.warmUp; index < options.runs; index++) {
    // Who goes first changes, so that neither always follows the other's leftovers.
    for (const side of index % 2 === 0 ? sides : [...sides].reverse()) {
      await delay(options.restMs);
      const value = await sample(side);
      if (index >= 0) taken[side.name]?.push(value);
    }
  }
  return taken;
}
