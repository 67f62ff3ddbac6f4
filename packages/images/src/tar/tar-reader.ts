import { tarInvalid } from '../faults.ts';
import { ByteSource } from './byte-source.ts';
import { parsePaxRecords } from './pax.ts';
import { checkSparse, parseSparseMap, readOldSparsePieces, readPaxSparsePieces, type SparsePiece } from './sparse.ts';
import { BLOCK_BYTES, type TarEntry, type TarKind } from './tar-entry.ts';
import { checksumMatches, readNumber, readText } from './tar-numbers.ts';

/** As Go's archive/tar: more than this in one extended header is an attack, not a name. */
const MAX_SPECIAL_BYTES = 1 << 20;
const ZEROS = Buffer.alloc(128 * 1024);

const KINDS: Readonly<Record<string, TarKind>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** Where a member's content stands in the tar: at an offset, as a whole or, of a sparse file, the pieces one after the other. */
export interface StoredBody {
  readonly offset: number;
  readonly pieces?: readonly SparsePiece[];
}

/**
 * Reads a tar stream member by member: v7, ustar, PAX and GNU (long names, base-256 numbers, all sparse formats, which are
 * expanded). Call `next`, then optionally `body`; the rest of a body nobody read is skipped. Strict about what it takes: a
 * broken checksum, a stream that ends inside a member, or bytes after the end of the archive are Faults `tar-invalid`.
 */
export class TarReader {
  readonly #source: ByteSource;
  #globals: ReadonlyMap<string, string> = new Map();
  /** Bytes of the current member's stored content not yet read, and the padding after it. */
  #stored = 0;
  #padding = 0;
  #sparse: { pieces: readonly SparsePiece[]; realBytes: number } | undefined;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = new ByteSource(source);
  }

  /** The next member, or undefined after the last one, when everything behind it has been read and found empty. */
  async next(): Promise<TarEntry | undefined> {
    await this.#skip();
    let records: Map<string, string> | undefined;
    let longName: string | undefined;
    let longLink: string | undefined;
    for (;;) {
      const block = await this.#source.take(BLOCK_BYTES);
      // Many writers leave the two empty blocks out; the end of the stream between members counts as the end.
      if (block.length === 0 && records === undefined && longName === undefined && longLink === undefined) return undefined;
      if (block.length < BLOCK_BYTES) throw tarInvalid('unexpected EOF');
      if (isZero(block)) {
        await this.#expectNothingMore();
        return undefined;
      }
      if (!checksumMatches(block)) throw tarInvalid('archive/tar: invalid tar header');
      const type = String.fromCharCode(block[156] as number);
      const sizeBytes = readNumber(block, 124, 12, 'size');
      if (sizeBytes < 0) throw tarInvalid('archive/tar: invalid tar header: negative size');
      if (type === 'x') records = parsePaxRecords(await this.#special(sizeBytes));
      else if (type === 'g') this.#globals = new Map([...this.#globals, ...parsePaxRecords(await this.#special(sizeBytes))]);
      else if (type === 'L') longName = untilNul(await this.#special(sizeBytes));
      else if (type === 'K') longLink = untilNul(await this.#special(sizeBytes));
      else return this.#member(block, type, sizeBytes, merge(this.#globals, records), longName, longLink);
    }
  }

  /** Where the content of the current member begins; to be asked before it is read. */
  get stored(): StoredBody {
    const offset = this.#source.position;
    return this.#sparse === undefined ? { offset } : { offset, pieces: this.#sparse.pieces };
  }

  /** The content of the current member, once. Pieces are views on the input: use them before asking for the next. */
  async *body(): AsyncGenerator<Buffer> {
    const sparse = this.#sparse;
    if (sparse === undefined) {
      yield* this.#read(this.#stored);
      return;
    }
    this.#sparse = undefined;
    let at = 0;
    for (const piece of sparse.pieces) {
      yield* zeros(piece.offset - at);
      yield* this.#read(piece.length);
      at = piece.offset + piece.length;
    }
    yield* zeros(sparse.realBytes - at);
  }

  async close(): Promise<void> {
    await this.#source.close();
  }

  async #member(
    block: Buffer,
    type: string,
    headerBytes: number,
    pax: ReadonlyMap<string, string>,
    longName: string | undefined,
    longLink: string | undefined,
  ): Promise<TarEntry> {
    let kind = KINDS[type];
    if (kind === undefined) throw tarInvalid(`unhandled tar header type ${type.charCodeAt(0)}`);
    const posix = block.toString('latin1', 257, 263) === 'ustar\0';
    const prefix = posix ? readText(block, 345, 155) : '';
    const shortName = readText(block, 0, 100);
    const path = pax.get('GNU.sparse.name') ?? pax.get('path') ?? longName ?? (prefix === '' ? shortName : `${prefix}/${shortName}`);
    if (kind === 'file' && path.endsWith('/')) kind = 'directory';

    const stored = kind === 'file' ? (paxNumber(pax, 'size') ?? headerBytes) : 0;
    this.#stored = stored;
    this.#padding = (BLOCK_BYTES - (stored % BLOCK_BYTES)) % BLOCK_BYTES;
    this.#sparse = kind === 'file' ? await this.#sparseMap(block, type, pax) : undefined;
    if (this.#sparse !== undefined) checkSparse(this.#sparse.pieces, this.#sparse.realBytes, this.#stored);

    const xattrs = new Map<string, string>();
    for (const [key, value] of pax) if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice(13), value);
    return {
      kind,
      path,
      mode: readNumber(block, 100, 8, 'mode') & 0o7777,
      uid: paxNumber(pax, 'uid') ?? readNumber(block, 108, 8, 'uid'),
      gid: paxNumber(pax, 'gid') ?? readNumber(block, 116, 8, 'gid'),
      sizeBytes: this.#sparse?.realBytes ?? stored,
      mtime: paxNumber(pax, 'mtime') ?? readNumber(block, 136, 12, 'mtime'),
      linkPath: pax.get('linkpath') ?? longLink ?? readText(block, 157, 100),
      deviceMajor: kind === 'character' || kind === 'block' ? readNumber(block, 329, 8, 'device major') : 0,
      deviceMinor: kind === 'character' || kind === 'block' ? readNumber(block, 337, 8, 'device minor') : 0,
      xattrs,
    };
  }

  async #sparseMap(block: Buffer, type: string, pax: ReadonlyMap<string, string>): Promise<{ pieces: SparsePiece[]; realBytes: number } | undefined> {
    if (type === 'S') {
      const pieces = readOldSparsePieces(block, 386, 4);
      let extended = block[482] === 1;
      while (extended) {
        const more = await this.#source.take(BLOCK_BYTES);
        if (more.length < BLOCK_BYTES) throw tarInvalid('unexpected EOF');
        pieces.push(...readOldSparsePieces(more, 0, 21));
        if (pieces.length > 100_000) throw tarInvalid('archive/tar: invalid sparse file: too many pieces');
        extended = more[504] === 1;
      }
      return { pieces: withoutEmpty(pieces), realBytes: readNumber(block, 483, 12, 'real size') };
    }
    if (pax.get('GNU.sparse.major') === '1' && pax.get('GNU.sparse.minor') === '0') {
      const realBytes = paxNumber(pax, 'GNU.sparse.realsize') ?? 0;
      let data = Buffer.alloc(0);
      for (;;) {
        if (this.#stored < BLOCK_BYTES || data.length > 4 << 20) throw tarInvalid('archive/tar: invalid sparse file: no map');
        const more = await this.#source.take(BLOCK_BYTES);
        if (more.length < BLOCK_BYTES) throw tarInvalid('unexpected EOF');
        this.#stored -= BLOCK_BYTES;
        data = Buffer.concat([data, more]);
        const map = parseSparseMap(data);
        if (map !== undefined) return { pieces: withoutEmpty(map.pieces), realBytes };
      }
    }
    if (pax.has('GNU.sparse.map') || pax.has('GNU.sparse.offset') || pax.has('GNU.sparse.numblocks')) {
      return { pieces: withoutEmpty(readPaxSparsePieces(pax)), realBytes: paxNumber(pax, 'GNU.sparse.size') ?? 0 };
    }
    return undefined;
  }

  async *#read(count: number): AsyncGenerator<Buffer> {
    let left = count;
    while (left > 0) {
      const piece = await this.#source.some(left);
      if (piece === undefined) throw tarInvalid('unexpected EOF');
      left -= piece.length;
      this.#stored -= piece.length;
      yield piece;
    }
  }

  async #skip(): Promise<void> {
    let left = this.#stored + this.#padding;
    this.#stored = 0;
    this.#padding = 0;
    this.#sparse = undefined;
    while (left > 0) {
      const piece = await this.#source.some(left);
      if (piece === undefined) throw tarInvalid('unexpected EOF');
      left -= piece.length;
    }
  }

  async #special(sizeBytes: number): Promise<Buffer> {
    if (sizeBytes > MAX_SPECIAL_BYTES) throw tarInvalid('archive/tar: header field too long');
    const data = await this.#source.take(Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES);
    if (data.length < sizeBytes) throw tarInvalid('unexpected EOF');
    return data.subarray(0, sizeBytes);
  }

  async #expectNothingMore(): Promise<void> {
    for (;;) {
      const piece = await this.#source.some(1 << 20);
      if (piece === undefined) return;
      if (!isZero(piece)) throw tarInvalid('archive/tar: there is data after the end of the archive');
    }
  }
}

function merge(globals: ReadonlyMap<string, string>, records: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> {
  if (records === undefined) return globals;
  return globals.size === 0 ? records : new Map([...globals, ...records]);
}

function paxNumber(pax: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = pax.get(key);
  if (text === undefined || text === '') return undefined;
  const match = /^(-?\d{1,16})(?:\.\d*)?$/.exec(text);
  if (match === null || (key !== 'mtime' && text.startsWith('-'))) throw tarInvalid(`archive/tar: invalid tar header: ${key} is not a number`);
  return Number(match[1]);
}

function untilNul(data: Buffer): string {
  const end = data.indexOf(0);
  return data.toString('latin1', 0, end < 0 ? data.length : end);
}

function withoutEmpty(pieces: readonly SparsePiece[]): SparsePiece[] {
  return pieces.filter((piece) => piece.length > 0);
}

function isZero(piece: Buffer): boolean {
  for (let at = 0; at < piece.length; at += ZEROS.length) {
    const part = piece.subarray(at, at + ZEROS.length);
    if (part.compare(ZEROS, 0, part.length) !== 0) return false;
  }
  return true;
}

function* zeros(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= ZEROS.length) yield left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS;
}
