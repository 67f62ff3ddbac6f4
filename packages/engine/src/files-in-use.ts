/** Requests under way for a container's files: they wait for nobody, and end when the container is removed. */
export class FilesInUse {
  readonly #uses = new Map<AbortController, Promise<void>>();

  /** Until `release` is called. The signal aborts when there will be no files any more, or when one of those given does. */
  begin(signals: readonly AbortSignal[]): { readonly signal: AbortSignal; release(): void } {
    const stop = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#uses.set(stop, promise);
    return {
      signal: AbortSignal.any([stop.signal, ...signals]),
      release: () => {
        this.#uses.delete(stop);
        resolve();
      },
    };
  }

  /** Resolves when every use has ended. */
  async end(reason: Error): Promise<void> {
    for (const stop of this.#uses.keys()) stop.abort(reason);
    await Promise.all(this.#uses.values());
  }
}
