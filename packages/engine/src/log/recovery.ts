import { closeSync, constants, existsSync, fstatSync, ftruncateSync, openSync, readdirSync, readSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { decode, HEADER_BYTES, noOpenLines, openAfter, recordBytes, type Mark, type OpenLines, type Piece } from './codec.ts';
import { contentBytes, Segment } from './segment.ts';

const BLOCK = 1 << 20;

/** Where a log stood when it was last written to. */
export interface Standing {
  readonly run: number;
  /** First byte of that run's journal that is not in the log. */
  readonly position: number;
  readonly open: OpenLines;
}

/** Names of a log's other files. */
export const nextPath = (path: string) => `${path}.next`;
export const olderPath = (path: string, number: number) => `${path}.${number}`;
export const compressedPath = (path: string, number: number) => `${path}.${number}.gz`;

/** Takes up a log that was left at any moment, or begins it. */
export function recoverLog(path: string): { readonly older: Segment[]; readonly current: Segment; readonly standing: Standing } {
  finishRotation(path);
  const isNew = !existsSync(path);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const { bytes, standing = { run: 0, position: 0, open: noOpenLines }, number = isNew ? 0 : numberByNames(path) } = recoverFile(fd);
    const older = number === 0 ? [] : olderSegments(path, number);
    return { older, current: new Segment({ number, base: older.at(-1)?.end ?? 0, bytes, path }), standing };
  } finally {
    closeSync(fd);
  }
}

/** Finishes a rotation that was cut short between its two renames, or undoes one that hadn't come so far. */
function finishRotation(path: string): void {
  if (!existsSync(nextPath(path))) return;
  if (existsSync(path)) rmSync(nextPath(path));
  else renameSync(nextPath(path), path);
}

/**
 * Finds where a file's last whole record ends and cuts off what a crash left behind it. Checks every record, so that what
 * readers get later is known to be sound.
 */
function recoverFile(fd: number): { readonly bytes: number; readonly number?: number; readonly standing?: Standing } {
  const size = fstatSync(fd).size;
  let end = 0;
  let number: number | undefined;
  let standing: Standing | undefined;
  let block = Buffer.alloc(Math.min(BLOCK, size));
  while (end < size) {
    const read = readSync(fd, block, 0, block.length, end);
    const bytes = block.subarray(0, read);
    let at = 0;
    for (let record = decode(bytes, at); record !== undefined; record = decode(bytes, at)) {
      if (record.stream === 'mark') number = record.data.readUInt32LE();
      at += HEADER_BYTES + record.data.length;
      standing = standingAfter(record);
    }
    end += at;
    if (at > 0) continue;
    // A record longer than the block, or the torn end.
    const wanted = recordBytes(bytes, 0);
    if (wanted === undefined || wanted <= bytes.length || end + wanted > size) break;
    block = Buffer.alloc(wanted);
  }
  if (end < size) ftruncateSync(fd, end);
  if (standing === undefined) return { bytes: end };
  return { bytes: end, number: number ?? 0, standing };
}

function standingAfter(record: Piece | Mark): Standing {
  const written = record.stream === 'mark' ? 0 : record.data.length;
  return { run: record.run, position: record.offset + written, open: openAfter(record) };
}

/** The files before number `before`, oldest first; places in the log count from the first of them. */
function olderSegments(path: string, before: number): Segment[] {
  const found: { number: number; bytes: number; isCompressed: boolean }[] = [];
  for (let number = before - 1; number >= 0; number -= 1) {
    const plain = contentBytes(olderPath(path, number), false);
    const bytes = plain ?? contentBytes(compressedPath(path, number), true);
    if (bytes === undefined) break;
    found.unshift({ number, bytes, isCompressed: plain === undefined });
  }
  let base = 0;
  return found.map(({ number, bytes, isCompressed }) => {
    const segment = new Segment({ number, base, bytes, isCompressed, path: isCompressed ? compressedPath(path, number) : olderPath(path, number) });
    base += bytes;
    return segment;
  });
}

/** The number after the newest older file's: for the file a loss of power left without its first record. */
function numberByNames(path: string): number {
  const prefix = `${basename(path)}.`;
  const numbers = readdirSync(dirname(path)).flatMap((name) => {
    const match = name.startsWith(prefix) ? /^(\d+)(\.gz)?$/.exec(name.slice(prefix.length)) : null;
    return match === null ? [] : [Number(match[1])];
  });
  return Math.max(-1, ...numbers) + 1;
}
