import type { Mark, Piece } from './codec.ts';

const RECENT_BYTES = 256 << 10;
const RECENT_PIECES = 64;

/** A record and where it begins in the log. */
export type Placed = PlacedPiece | (Mark & { readonly position: number });

export interface PlacedPiece extends Piece {
  readonly position: number;
}

/** The last records of a log, for readers that keep up. */
export class Recent {
  #records: Placed[] = [];
  #bytes = 0;

  add(record: Placed): void {
    this.#records.push(record);
    this.#bytes += record.data.length;
    while (this.#records.length > RECENT_PIECES || this.#bytes > RECENT_BYTES) this.#bytes -= this.#records.shift()?.data.length ?? 0;
  }

  at(position: number): Placed | undefined {
    if (position < (this.#records[0]?.position ?? Infinity)) return undefined;
    return this.#records.findLast((record) => record.position === position);
  }

  clear(): void {
    this.#records = [];
    this.#bytes = 0;
  }
}
