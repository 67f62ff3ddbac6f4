/** Settles as `work` does, or rejects with the signal's reason as soon as it is aborted; the work is not stopped. */
export async function abortable(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  await Promise.race([work, promise]).finally(() => signal?.removeEventListener('abort', stop));
}
