import { crc32 } from 'node:zlib';

export const HEADER_BYTES = 32;
const MAGIC = 0xb7;

/** One piece of output as the container's process wrote it. */
export interface Piece {
  readonly stream: 'stdout' | 'stderr';
  readonly timeNs: bigint;
  /** Number of the run that wrote it. */
  readonly run: number;
  /** Place of the first byte in that run's journal. */
  readonly offset: number;
  /** Which streams are in the middle of a line where this piece begins. */
  readonly open: OpenLines;
  readonly data: Buffer;
}

/** Begins every file of a log but the first: its number, and where the journal and the lines stood. */
export interface Mark extends Omit<Piece, 'stream'> {
  readonly stream: 'mark';
}

export interface OpenLines {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export const noOpenLines: OpenLines = { stdout: false, stderr: false };
const streams = [undefined, 'stdout', 'stderr', 'mark'] as const;
const opened: readonly OpenLines[] = [noOpenLines, { stdout: true, stderr: false }, { stdout: false, stderr: true }, { stdout: true, stderr: true }];

/**
 * The header of a record: magic, stream, open lines, a zero byte, length, time, offset, run, and the CRC-32 of all that and
 * the data. Little-endian. The data follows as it is.
 */
export function encodeHeader(piece: Piece | Mark): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = MAGIC;
  header[1] = streams.indexOf(piece.stream);
  header[2] = (piece.open.stdout ? 1 : 0) | (piece.open.stderr ? 2 : 0);
  header.writeUInt32LE(piece.data.length, 4);
  header.writeBigUInt64LE(piece.timeNs, 8);
  header.writeBigUInt64LE(BigInt(piece.offset), 16);
  header.writeUInt32LE(piece.run, 24);
  header.writeUInt32LE(crc32(piece.data, crc32(header.subarray(0, 28))), 28);
  return header;
}

/** Length of the whole record whose header begins at `at`; `undefined` when no record begins there. */
export function recordBytes(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < HEADER_BYTES || bytes[at] !== MAGIC) return undefined;
  return streams[bytes[at + 1] ?? 0] === undefined ? undefined : HEADER_BYTES + bytes.readUInt32LE(at + 4);
}

/** The record at `at`, sharing memory with `bytes`; `undefined` when it isn't whole and sound. */
export function decode(bytes: Buffer, at: number): Piece | Mark | undefined {
  const length = recordBytes(bytes, at);
  const stream = streams[bytes[at + 1] ?? 0];
  if (length === undefined || stream === undefined || bytes.length - at < length) return undefined;
  const data = bytes.subarray(at + HEADER_BYTES, at + length);
  if (crc32(data, crc32(bytes.subarray(at, at + 28))) !== bytes.readUInt32LE(at + 28)) return undefined;
  return {
    stream,
    timeNs: bytes.readBigUInt64LE(at + 8),
    run: bytes.readUInt32LE(at + 24),
    offset: Number(bytes.readBigUInt64LE(at + 16)),
    open: opened[(bytes[at + 2] ?? 0) & 3] ?? noOpenLines,
    data,
  };
}

/** The lines that are open after a record. */
export function openAfter({ stream, open, data }: Piece | Mark): OpenLines {
  if (stream === 'mark' || data.length === 0) return open;
  return { ...open, [stream]: data.at(-1) !== 10 };
}
