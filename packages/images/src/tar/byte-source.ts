/** Bytes pulled from a stream in the sizes a parser wants, copying only what spans two chunks. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #current: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Bytes of the stream before `#current`. */
  #before = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Bytes given so far. */
  get position(): number {
    return this.#before + this.#at;
  }

  /** Up to `limit` bytes, at least one; undefined at the end. Never copies. */
  async some(limit: number): Promise<Buffer | undefined> {
    if (this.#at >= this.#current.length && !(await this.#refill())) return undefined;
    const end = Math.min(this.#current.length, this.#at + limit);
    const piece = this.#current.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  /** Exactly `count` bytes, or fewer when the stream ends first. */
  async take(count: number): Promise<Buffer> {
    if (this.#current.length - this.#at >= count) {
      const piece = this.#current.subarray(this.#at, this.#at + count);
      this.#at += count;
      return piece;
    }
    const pieces: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      const piece = await this.some(missing);
      if (piece === undefined) break;
      pieces.push(piece);
      missing -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** Ends the stream early; its finally blocks run. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #refill(): Promise<boolean> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#before += this.#current.length;
      this.#current = next.value;
      this.#at = 0;
      return true;
    }
  }
}
