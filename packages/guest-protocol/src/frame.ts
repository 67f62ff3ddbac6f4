import { crc32 } from 'node:zlib';

/** `BRTH`, little-endian. */
const MAGIC = 0x48545242;
export const HEADER_BYTES = 20;
/** More never follows one header. */
export const PAYLOAD_MAX = 32768;
/** Flag: the message goes on in the next frame of the same type and stream. */
export const MORE = 1;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** Request number, or the id of a process. */
  readonly stream: number;
  readonly payload: Buffer;
}

/** One frame as it goes over the line. `payload` has at most `PAYLOAD_MAX` bytes. */
export function encodeFrame(type: number, stream: number, payload: Uint8Array, flags = 0): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.writeUInt32LE(MAGIC, 0);
  frame[4] = type;
  frame[5] = flags;
  frame.writeUInt16LE(0, 6);
  frame.writeUInt32LE(stream, 8);
  frame.writeUInt32LE(payload.length, 12);
  frame.set(payload, HEADER_BYTES);
  frame.writeUInt32LE(crc32(payload, crc32(frame.subarray(0, 16))), 16);
  return frame;
}

/** A message of any length, in as many frames as it needs. */
export function encodeMessage(type: number, stream: number, body: Uint8Array): Buffer {
  if (body.length <= PAYLOAD_MAX) return encodeFrame(type, stream, body);
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length; at += PAYLOAD_MAX) {
    const piece = body.subarray(at, at + PAYLOAD_MAX);
    frames.push(encodeFrame(type, stream, piece, at + PAYLOAD_MAX < body.length ? MORE : 0));
  }
  return Buffer.concat(frames);
}

/**
 * Finds the frames in a stream that may begin anywhere and may have lost bytes: hunts for the magic, and believes a frame
 * only when its checksum fits.
 */
export class FrameParser {
  #kept: Buffer = Buffer.alloc(0);
  readonly #onFrame: (frame: Frame) => void;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    const data = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    let at = 0;
    while (at < data.length) {
      const size = frameAt(data, at);
      if (size === 'more') break;
      if (size === 'none') {
        const next = data.indexOf(0x42, at + 1);
        at = next < 0 ? data.length : next;
        continue;
      }
      this.#onFrame({
        type: data[at + 4] ?? 0,
        flags: data[at + 5] ?? 0,
        stream: data.readUInt32LE(at + 8),
        payload: data.subarray(at + HEADER_BYTES, at + size),
      });
      at += size;
    }
    // A copy, so that a small rest doesn't keep a large chunk alive.
    this.#kept = at === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at));
  }
}

/** The length of the whole frame at `at`, or whether there is none, or not yet. */
function frameAt(data: Buffer, at: number): number | 'none' | 'more' {
  const left = data.length - at;
  const magic = Math.min(4, left);
  for (let i = 0; i < magic; i++) if (data[at + i] !== ((MAGIC >>> (8 * i)) & 0xff)) return 'none';
  if (left < HEADER_BYTES) return 'more';
  const length = data.readUInt32LE(at + 12);
  if (length > PAYLOAD_MAX || data[at + 6] !== 0 || data[at + 7] !== 0) return 'none';
  const size = HEADER_BYTES + length;
  if (left < size) return 'more';
  const sum = crc32(data.subarray(at + HEADER_BYTES, at + size), crc32(data.subarray(at, at + 16)));
  return sum === data.readUInt32LE(at + 16) ? size : 'none';
}
