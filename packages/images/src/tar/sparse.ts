import { tarInvalid } from '../faults.ts';
import { readNumber } from './tar-numbers.ts';

/** A piece of a sparse file that the archive holds; everything between pieces is zeros. */
export interface SparsePiece {
  readonly offset: number;
  readonly length: number;
}

const MAX_PIECES = 100_000;

/** The four sparse pieces of an old GNU header (type `S`), or the 21 of one of its continuation blocks. */
export function readOldSparsePieces(block: Buffer, offset: number, count: number): SparsePiece[] {
  const pieces: SparsePiece[] = [];
  for (let index = 0; index < count; index++) {
    const at = offset + index * 24;
    if (block[at] === 0 || block[at] === 0x20) break;
    pieces.push({ offset: readNumber(block, at, 12, 'sparse offset'), length: readNumber(block, at + 12, 12, 'sparse length') });
  }
  return pieces;
}

/** PAX formats 0.0 (repeated keys, joined with commas by the record parser) and 0.1 (`GNU.sparse.map`). */
export function readPaxSparsePieces(records: ReadonlyMap<string, string>): SparsePiece[] {
  const map = records.get('GNU.sparse.map');
  const numbers =
    map !== undefined
      ? decimals(map.split(','))
      : interleave(decimals(split(records.get('GNU.sparse.offset'))), decimals(split(records.get('GNU.sparse.numbytes'))));
  return pair(numbers);
}

/**
 * PAX format 1.0: the map stands before the content, as lines of decimals (count, then offset and length of each), padded
 * to whole blocks. Gives the pieces once `data` holds all of it, and how many bytes it took.
 */
export function parseSparseMap(data: Buffer): { pieces: SparsePiece[]; bytes: number } | undefined {
  const text = data.toString('latin1');
  const first = text.indexOf('\n');
  if (first < 0) return undefined;
  const count = decimals([text.slice(0, first)])[0] ?? 0;
  if (count > MAX_PIECES) throw tarInvalid('archive/tar: invalid sparse file: too many pieces');
  let at = first + 1;
  const lines: string[] = [];
  while (lines.length < count * 2) {
    const end = text.indexOf('\n', at);
    if (end < 0) return undefined;
    lines.push(text.slice(at, end));
    at = end + 1;
  }
  return { pieces: pair(decimals(lines)), bytes: Math.ceil(at / 512) * 512 };
}

/** Pieces must come in order, not overlap, lie within the file, and be as long together as what is stored. */
export function checkSparse(pieces: readonly SparsePiece[], realBytes: number, storedBytes: number): void {
  let end = 0;
  let stored = 0;
  for (const piece of pieces) {
    if (piece.offset < end || piece.length < 0) throw tarInvalid('archive/tar: invalid sparse file: pieces out of order');
    end = piece.offset + piece.length;
    stored += piece.length;
  }
  if (end > realBytes || stored !== storedBytes || pieces.length > MAX_PIECES) {
    throw tarInvalid('archive/tar: invalid sparse file: pieces do not fit its size');
  }
}

function split(text: string | undefined): string[] {
  return text === undefined || text === '' ? [] : text.split(',');
}

function decimals(texts: readonly string[]): number[] {
  return texts.map((text) => {
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw tarInvalid('archive/tar: invalid sparse file: not a number');
    return number;
  });
}

function interleave(left: readonly number[], right: readonly number[]): number[] {
  if (left.length !== right.length) throw tarInvalid('archive/tar: invalid sparse file: unequal lists');
  return left.flatMap((value, index) => [value, right[index] ?? 0]);
}

function pair(numbers: readonly number[]): SparsePiece[] {
  if (numbers.length % 2 !== 0) throw tarInvalid('archive/tar: invalid sparse file: odd list');
  const pieces: SparsePiece[] = [];
  for (let at = 0; at < numbers.length; at += 2) pieces.push({ offset: numbers[at] ?? 0, length: numbers[at + 1] ?? 0 });
  return pieces;
}
