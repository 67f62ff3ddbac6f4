/** Pieces handed over one after the other, each after the last was taken; then, once, the end. */
export class Delivery<T> {
  readonly #take: (piece: T) => void | Promise<void>;
  readonly #failed: (error: unknown) => void;
  readonly #queue: T[] = [];
  readonly #mostPieces: number;
  #running = false;
  #end: (() => void) | undefined;

  /**
   * `failed` is called at most once, when a piece could not be taken; nothing is delivered after that. More than
   * `mostPieces` waiting is more than any window allows.
   */
  constructor(take: (piece: T) => void | Promise<void>, failed: (error: unknown) => void, mostPieces = 65_536) {
    this.#mostPieces = mostPieces;
    this.#take = take;
    this.#failed = failed;
  }

  push(piece: T): void {
    if (this.#queue.length >= this.#mostPieces) throw new RangeError('more than was asked for');
    this.#queue.push(piece);
    void this.#run();
  }

  /** Calls `end` when everything pushed so far has been taken. */
  finish(end: () => void): void {
    this.#end = end;
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let piece = this.#queue.shift(); piece !== undefined; piece = this.#queue.shift()) {
        const taken = this.#take(piece);
        if (taken !== undefined) await taken;
      }
    } catch (error) {
      // `running` stays set: after a failure the order is lost.
      this.#queue.length = 0;
      this.#failed(error);
      return;
    }
    this.#running = false;
    const end = this.#end;
    this.#end = undefined;
    end?.();
  }
}
