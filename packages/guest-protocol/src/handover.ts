/** Hands items over one at a time: `put` resolves when somebody has taken its item, or nobody will any more. */
export class Handover<T> {
  #waiting: { readonly item: T; taken: () => void } | undefined;
  #wake: (() => void) | undefined;
  #ended = false;

  put(item: T): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = { item, taken: resolve };
      this.#wake?.();
    });
  }

  /** Nothing more is put, or nothing more is taken. */
  end(): void {
    this.#ended = true;
    this.#waiting?.taken();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const waiting = this.#waiting;
      if (waiting !== undefined) {
        this.#waiting = undefined;
        try {
          yield waiting.item;
        } finally {
          // Also when whoever took it wants no more.
          waiting.taken();
        }
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
