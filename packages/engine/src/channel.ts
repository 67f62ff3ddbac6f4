const LIMIT_BYTES = 256 << 10;

export interface OutputPiece {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/** Pieces from one writer to one reader. The writer waits while 256 KiB are unread; a reader that leaves lets all pass. */
export class Channel {
  readonly #pieces: OutputPiece[] = [];
  #bytes = 0;
  #ended = false;
  #left = false;
  #readable = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();

  async write(piece: OutputPiece): Promise<void> {
    if (this.#left || this.#ended) return;
    this.#pieces.push(piece);
    this.#bytes += piece.data.length;
    this.#readable.resolve();
    while (this.#bytes >= LIMIT_BYTES && !this.#left) await this.#room.promise;
  }

  end(): void {
    this.#ended = true;
    this.#readable.resolve();
  }

  /** The reader is gone: nothing is kept, nobody waits. */
  leave(): void {
    this.#left = true;
    this.#pieces.length = 0;
    this.#room.resolve();
    this.#readable.resolve();
  }

  async *read(): AsyncGenerator<OutputPiece, void> {
    try {
      while (!this.#left) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          this.#bytes -= piece.data.length;
          this.#room.resolve();
          this.#room = Promise.withResolvers<void>();
          yield piece;
          continue;
        }
        if (this.#ended) return;
        await this.#readable.promise;
        this.#readable = Promise.withResolvers<void>();
      }
    } finally {
      this.leave();
    }
  }
}
