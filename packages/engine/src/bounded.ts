import { Fault } from '@berth/kit';

/** Waits for `work`, but not longer than `limitMs`: fault `deadline` with `what` in its sentence. The work is not stopped. */
export async function bounded<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Fault('deadline', 'runtime-slow', `${what} did not end within ${limitMs / 1000} s`)), limitMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}

/** Whether `work` settles within `limitMs` (negative: no limit). Never rejects. */
export async function endsWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  if (limitMs < 0)
    return work.then(
      () => true,
      () => true,
    );
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => true,
      ),
      promise,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
