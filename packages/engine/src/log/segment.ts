import { closeSync, constants, fstatSync, openSync, read, readFileSync, readSync, unlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

const readAt = promisify(read);
const inflate = promisify(gunzip);

/**
 * One file of a log that is no longer written to, or the one that is. Opened when somebody reads it, and readable as long as
 * it is open, whatever becomes of its name.
 */
export class Segment {
  readonly number: number;
  /** Place of its first byte in the whole log. */
  readonly base: number;
  bytes: number;
  /** Its name is gone: only readers that are open still see it. */
  dropped = false;
  #path: string;
  #isCompressed: boolean;
  #fd: number | undefined;
  #inflated: Promise<Buffer> | undefined;

  constructor(parts: { readonly number: number; readonly base: number; readonly bytes: number; readonly path: string; readonly isCompressed?: boolean }) {
    this.number = parts.number;
    this.base = parts.base;
    this.bytes = parts.bytes;
    this.#path = parts.path;
    this.#isCompressed = parts.isCompressed ?? false;
  }

  get end(): number {
    return this.base + this.bytes;
  }

  get path(): string {
    return this.#path;
  }

  get isCompressed(): boolean {
    return this.#isCompressed;
  }

  /** The same file under another name. */
  renamed(path: string): void {
    this.#path = path;
  }

  /** The same content, from now on in a compressed file; who has it open goes on reading the other. */
  compressedTo(path: string): void {
    this.#path = path;
    this.#isCompressed = true;
  }

  /** Open for appending; made when it isn't there. */
  openToWrite(flags = 0): number {
    this.#fd ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | flags, 0o600);
    return this.#fd;
  }

  open(): void {
    if (this.#fd !== undefined || this.#inflated !== undefined) return;
    if (this.#isCompressed) this.#inflated = inflate(readFileSync(this.#path));
    else this.#fd = openSync(this.#path, constants.O_RDONLY);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#inflated = undefined;
  }

  /** From a place in the whole log; less than `length` only at this file's end. */
  async read(position: number, length: number): Promise<Buffer> {
    this.open();
    const from = position - this.base;
    const wanted = Math.max(0, Math.min(length, this.bytes - from));
    if (this.#inflated !== undefined) return (await this.#inflated).subarray(from, from + wanted);
    const buffer = Buffer.allocUnsafe(wanted);
    let got = 0;
    while (got < wanted && this.#fd !== undefined) {
      const { bytesRead } = await readAt(this.#fd, buffer, got, wanted - got, from + got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return buffer.subarray(0, got);
  }

  /** Takes its name away; with `keep` those who read it go on. */
  drop({ keep }: { readonly keep: boolean }): void {
    this.dropped = true;
    try {
      if (keep) this.open();
      unlinkSync(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (!keep) this.close();
  }
}

/** Bytes of a file's content: what a compressed one holds stands at its end. `undefined` when there is no such file. */
export function contentBytes(path: string, isCompressed: boolean): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    if (!isCompressed || size < 4) return size;
    const trailer = Buffer.alloc(4);
    readSync(fd, trailer, 0, 4, size - 4);
    return trailer.readUInt32LE();
  } finally {
    closeSync(fd);
  }
}
