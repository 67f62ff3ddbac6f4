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
  readonly data: Buffer;
}

/**
 * The header of a record: magic, stream, two zero bytes, length, time, offset, run, and the CRC-32 of all that and the
 * data. Little-endian. The data follows as it is.
 */
export function encodeHeader(piece: Piece): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = MAGIC;
  header[1] = piece.stream === 'stdout' ? 1 : 2;
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
  const stream = bytes[at + 1];
  return stream === 1 || stream === 2 ? HEADER_BYTES + bytes.readUInt32LE(at + 4) : undefined;
}

/** The record at `at`, sharing memory with `bytes`; `undefined` when it isn't whole and sound. */
export function decode(bytes: Buffer, at: number): Piece | undefined {
  const length = recordBytes(bytes, at);
  if (length === undefined || bytes.length - at < length) return undefined;
  const data = bytes.subarray(at + HEADER_BYTES, at + length);
  if (crc32(data, crc32(bytes.subarray(at, at + 28))) !== bytes.readUInt32LE(at + 28)) return undefined;
  return {
    stream: bytes[at + 1] === 1 ? 'stdout' : 'stderr',
    timeNs: bytes.readBigUInt64LE(at + 8),
    run: bytes.readUInt32LE(at + 24),
    offset: Number(bytes.readBigUInt64LE(at + 16)),
    data,
  };
}
