import type { FilePiece } from '@berth/runtime';
import { dataHead, encodePiece } from './file-records.ts';
import { chunkHead, SLOT_BYTES, type SlotsToGuest, SPOOL_LEAST } from './spool.ts';

/** What is sent along the line in one go, so that small files don't cost a message each. */
const BATCH_BYTES = 28_000;

/** Sends pieces of files to a worker: small ones along the line, and what is much through the spool, where there is one. */
export class PiecesToGuest {
  readonly #send: (data: Buffer) => Promise<void>;
  readonly #slots: SlotsToGuest | undefined;
  #batch: Buffer[] = [];
  #batchBytes = 0;
  /** Content of one file that may become enough for a slot. */
  #content: Buffer[] = [];
  #contentBytes = 0;

  constructor(send: (data: Buffer) => Promise<void>, slots: SlotsToGuest | undefined) {
    this.#send = send;
    this.#slots = slots;
  }

  async put(piece: FilePiece): Promise<void> {
    if (piece.type !== 'data' || this.#slots === undefined) {
      await this.#putContent();
      await this.#putSmall(encodePiece(piece));
      return;
    }
    for (let { data } = piece; data.length > 0; ) {
      const part = data.subarray(0, SLOT_BYTES - this.#contentBytes);
      this.#content.push(part);
      this.#contentBytes += part.length;
      data = data.subarray(part.length);
      if (this.#contentBytes === SLOT_BYTES) await this.#putContent();
    }
  }

  async end(last: Buffer): Promise<void> {
    await this.#putContent();
    await this.#putSmall([last]);
    await this.#flush();
  }

  async #putContent(): Promise<void> {
    const content = this.#content;
    const bytes = this.#contentBytes;
    if (bytes === 0) return;
    this.#content = [];
    this.#contentBytes = 0;
    await this.#putSmall([dataHead(bytes)], false);
    if (this.#slots === undefined || bytes < SPOOL_LEAST) return this.#putSmall(content);
    const [placed] = await Promise.all([this.#slots.put(content), this.#flush()]);
    await this.#send(chunkHead(bytes, true));
    return placed;
  }

  async #putSmall(parts: readonly Buffer[], mayFlush = true): Promise<void> {
    for (const part of parts) {
      this.#batch.push(part);
      this.#batchBytes += part.length;
    }
    if (mayFlush && this.#batchBytes >= BATCH_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#batchBytes === 0) return;
    const batch = Buffer.concat([chunkHead(this.#batchBytes), ...this.#batch]);
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#send(batch);
  }
}
