const BLOCK_BYTES = 8192;
const HEADER_BYTES = 2;
/** In a block's length: it is stored as it is. */
const UNCOMPRESSED = 0x8000;

/** Where something stands in a table: the position of its block, as stored, and the offset within it once read. */
export interface Place {
  readonly block: number;
  readonly offset: number;
}

/** A place as squashfs writes it in one number. */
export function reference({ block, offset }: Place): bigint {
  return (BigInt(block) << 16n) | BigInt(offset);
}

/** One of squashfs's tables: a sequence of bytes, stored in blocks of 8 KiB, each behind its length. Never compressed. */
export class MetadataTable {
  #bytes = Buffer.allocUnsafe(4 * BLOCK_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Where the next piece goes. */
  get place(): Place {
    return { block: Math.floor(this.#length / BLOCK_BYTES) * (BLOCK_BYTES + HEADER_BYTES), offset: this.#length % BLOCK_BYTES };
  }

  append(piece: Buffer): Place {
    const { place } = this;
    if (this.#length + piece.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + piece.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    piece.copy(this.#bytes, this.#length);
    this.#length += piece.length;
    return place;
  }

  /** The table as it is stored. */
  stored(): Buffer {
    const blocks = Math.ceil(this.#length / BLOCK_BYTES);
    const stored = Buffer.allocUnsafe(this.#length + blocks * HEADER_BYTES);
    for (let block = 0; block < blocks; block++) {
      const from = block * BLOCK_BYTES;
      const to = Math.min(from + BLOCK_BYTES, this.#length);
      const at = stored.writeUInt16LE((to - from) | UNCOMPRESSED, block * (BLOCK_BYTES + HEADER_BYTES));
      this.#bytes.copy(stored, at, from, to);
    }
    return stored;
  }

  /** Positions of its blocks when the table begins at `start`: what squashfs finds the smaller tables by. */
  positions(start: number): Buffer {
    const blocks = Math.ceil(this.#length / BLOCK_BYTES);
    const positions = Buffer.allocUnsafe(blocks * 8);
    for (let block = 0; block < blocks; block++) positions.writeBigUInt64LE(BigInt(start + block * (BLOCK_BYTES + HEADER_BYTES)), block * 8);
    return positions;
  }
}
