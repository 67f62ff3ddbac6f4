import { setTimeout as delay } from 'node:timers/promises';
import { isFault } from '@berth/kit';

const ATTEMPTS = 5;

/** Does something that a bad connection can break again, a few times, with growing pauses of which `waiting` is told. */
export async function withPatience<T>(
  work: () => Promise<T>,
  options: { readonly pauseMs: number; readonly waiting: (seconds: number) => void; readonly signal: AbortSignal | undefined },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      options.signal?.throwIfAborted();
      if (attempt === ATTEMPTS || !(isFault(error, 'registry-unreachable') || isFault(error, 'registry-busy'))) throw error;
    }
    const pauseMs = options.pauseMs * attempt;
    options.waiting(Math.ceil(pauseMs / 1000));
    await delay(pauseMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}
