/** Runs what it is given one after the other, in order of arrival. A failure concerns only its own caller. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when what is queued now has ended. */
  idle(): Promise<void> {
    return this.#tail.then(() => undefined);
  }
}
