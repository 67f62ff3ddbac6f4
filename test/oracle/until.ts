import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks until the answer is neither `undefined` nor `false`, every 20 ms, and gives it. Throws when the time is over, with
 * the last error the question threw if it threw.
 */
export async function until<T>(what: string, timeoutMs: number, question: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await question();
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${timeoutMs} ms: ${what}${last instanceof Error ? ` (${last.message})` : ''}`, { cause: last });
    }
    await delay(20);
  }
}
