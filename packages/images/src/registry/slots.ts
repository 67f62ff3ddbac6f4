/** So many at a time, in the order they came. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** `waiting` is called when there is no slot right now. */
  async take(signal: AbortSignal | undefined, waiting: () => void = () => undefined): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else {
      waiting();
      const turn = Promise.withResolvers<void>();
      const gone = () => {
        const place = this.#waiting.indexOf(turn.resolve);
        // With its turn already given it has to be taken, and is given back by the caller's own abort.
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        turn.reject(signal?.reason);
      };
      this.#waiting.push(turn.resolve);
      signal?.addEventListener('abort', gone, { once: true });
      try {
        await turn.promise;
      } finally {
        signal?.removeEventListener('abort', gone);
      }
    }
    let done = false;
    return {
      [Symbol.dispose]: () => {
        if (done) return;
        done = true;
        const next = this.#waiting.shift();
        if (next === undefined) this.#free++;
        else next();
      },
    };
  }
}
