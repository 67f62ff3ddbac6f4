/** Builds the body of a message: little-endian numbers, length-prefixed bytes, strings with a NUL after them. */
export class BodyWriter {
  readonly #parts: Buffer[] = [];

  u8(value: number | boolean): this {
    this.#parts.push(Buffer.from([Number(value)]));
    return this;
  }

  u32(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeUInt32LE(value >>> 0, 0);
    this.#parts.push(part);
    return this;
  }

  u64(value: number | bigint): this {
    const part = Buffer.allocUnsafe(8);
    part.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 0);
    this.#parts.push(part);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    this.#parts.push(Buffer.from(value));
    return this;
  }

  /** What follows a NUL in a string could never reach the guest: it is cut, as the kernel would. */
  string(value: string): this {
    const end = value.indexOf('\0');
    const part = Buffer.from(`${end < 0 ? value : value.slice(0, end)}\0`);
    this.u32(part.length - 1);
    this.#parts.push(part);
    return this;
  }

  /** A string of one byte a character, as names of files are: they need not be text. */
  latin1(value: string): this {
    this.u32(value.length);
    this.#parts.push(Buffer.from(`${value}\0`, 'latin1'));
    return this;
  }

  strings(values: readonly string[]): this {
    this.u32(values.length);
    for (const value of values) this.string(value);
    return this;
  }

  /** Counted items, each written by `write`. */
  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.u32(values.length);
    for (const value of values) write(value);
    return this;
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads a body; past its end throws RangeError. */
export class BodyReader {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  u8(): number {
    return this.#body.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#body.readUInt32LE(this.#take(4));
  }

  i32(): number {
    return this.#body.readInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.#body.readBigUInt64LE(this.#take(8));
  }

  /** A count, a time, a size: numbers below 2^53. */
  number(): number {
    return Number(this.u64());
  }

  string(): string {
    const length = this.u32();
    const at = this.#take(length + 1);
    return this.#body.toString('utf8', at, at + length);
  }

  /** A string of one byte a character. */
  latin1(): string {
    const length = this.u32();
    const at = this.#take(length + 1);
    return this.#body.toString('latin1', at, at + length);
  }

  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#body.subarray(at, at + length);
  }

  rest(): Buffer {
    return this.#body.subarray(this.#at);
  }

  list<T>(read: () => T): T[] {
    const count = this.u32();
    const values: T[] = [];
    for (let i = 0; i < count; i++) values.push(read());
    return values;
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#body.length) throw new RangeError('the body ends early');
    this.#at = at + length;
    return at;
  }
}
