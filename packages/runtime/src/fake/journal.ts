const LIMIT = 256 << 10;

/**
 * Output that nobody has acknowledged yet, numbered by byte. Holds its process back (`onFull`) at 256 KiB, and gives what
 * it has again to a reader that comes back.
 */
export class Journal {
  readonly #onRoom: () => void;
  #pieces: { readonly stream: 'stdout' | 'stderr'; readonly offset: number; readonly data: Buffer }[] = [];
  #acknowledged = 0;
  end = 0;
  #reader: ((stream: 'stdout' | 'stderr', data: Buffer, offset: number) => void) | undefined;

  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  get followed(): boolean {
    return this.#reader !== undefined;
  }

  get full(): boolean {
    return this.end - this.#acknowledged >= LIMIT;
  }

  append(stream: 'stdout' | 'stderr', data: Buffer): void {
    this.#pieces.push({ stream, offset: this.end, data });
    this.#reader?.(stream, data, this.end);
    this.end += data.length;
  }

  acknowledge(position: number): void {
    const wasFull = this.full;
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(position, this.end));
    while (this.#pieces[0] !== undefined && this.#pieces[0].offset + this.#pieces[0].data.length <= this.#acknowledged) this.#pieces.shift();
    if (wasFull && !this.full) this.#onRoom();
  }

  follow(position: number, reader: (stream: 'stdout' | 'stderr', data: Buffer, offset: number) => void): void {
    this.acknowledge(position);
    this.#reader = reader;
    for (const piece of [...this.#pieces]) {
      const skip = Math.max(0, position - piece.offset);
      if (skip < piece.data.length) reader(piece.stream, piece.data.subarray(skip), piece.offset + skip);
    }
  }

  unfollow(): void {
    this.#reader = undefined;
  }
}
