import type { ExecSink } from '@berth/runtime';

/** As the agent has it (archive_records.c): whole blocks of any disk. */
export const SLOT_BYTES = 960 << 10;
const SLOTS = 4;
export const SPOOL_BYTES = SLOTS * SLOT_BYTES;
/** Less goes along the line. */
export const SPOOL_LEAST = 64 << 10;
const IN_SPOOL = 0x8000_0000;

/**
 * A file that a machine sees as one of its disks, of `SPOOL_BYTES`: bulk between host and guest goes through it, past the
 * line. What is read from it was written by the guest, whatever that may have become.
 */
export interface Spool {
  /** Its place among the machine's block devices: so many before the writable layer. */
  readonly back: number;
  open(): Promise<OpenSpool>;
}

export interface OpenSpool extends AsyncDisposable {
  write(at: number, pieces: readonly Buffer[]): Promise<void>;
  read(at: number, sizeBytes: number): Promise<Buffer>;
}

/** The slots on the way to a worker, which says on its first stream when it has emptied one. */
export class SlotsToGuest {
  readonly #spool: OpenSpool;
  #next = 0;
  #free = SLOTS;
  #wake: () => void = () => undefined;
  #ended = false;

  constructor(spool: OpenSpool) {
    this.#spool = spool;
  }

  /** Resolves when the bytes, one slot's at most, are where the worker will look for them; or when it needs none any more. */
  async put(pieces: readonly Buffer[]): Promise<void> {
    while (this.#free === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#ended) return;
    this.#free--;
    const at = this.#next * SLOT_BYTES;
    this.#next = (this.#next + 1) % SLOTS;
    await this.#spool.write(at, pieces);
  }

  emptied(count: number): void {
    this.#free = Math.min(SLOTS, this.#free + count);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }
}

/** Takes chunks apart, however they come in pieces: their bytes follow, or are in the next slot of the spool. */
export class ChunkParser {
  readonly #spool: OpenSpool | undefined;
  readonly #emptied: () => Promise<void>;
  #kept: Buffer = Buffer.alloc(0);
  #left = 0;
  #slot = 0;

  /** `emptied`: told to the worker after each slot. */
  constructor(spool: OpenSpool | undefined, emptied: () => Promise<void>) {
    this.#spool = spool;
    this.#emptied = emptied;
  }

  /** Throws RangeError. */
  async *push(data: Parameters<ExecSink['write']>[1]): AsyncGenerator<Buffer> {
    let all = this.#kept.length === 0 ? data : Buffer.concat([this.#kept, data]);
    this.#kept = Buffer.alloc(0);
    while (all.length > 0) {
      if (this.#left > 0) {
        const piece = all.subarray(0, this.#left);
        this.#left -= piece.length;
        all = all.subarray(piece.length);
        yield piece;
        continue;
      }
      if (all.length < 4) break;
      const head = all.readUInt32LE(0);
      all = all.subarray(4);
      if (head < IN_SPOOL) {
        this.#left = head;
        continue;
      }
      const sizeBytes = head - IN_SPOOL;
      if (this.#spool === undefined || sizeBytes > SLOT_BYTES) throw new RangeError('a slot that is none');
      const piece = await this.#spool.read(this.#slot * SLOT_BYTES, sizeBytes);
      this.#slot = (this.#slot + 1) % SLOTS;
      await this.#emptied();
      yield piece;
    }
    this.#kept = Buffer.from(all);
  }
}

/** A chunk's head: how many bytes follow, or are in the spool. */
export function chunkHead(sizeBytes: number, inSpool = false): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32LE(inSpool ? sizeBytes + IN_SPOOL : sizeBytes);
  return head;
}
