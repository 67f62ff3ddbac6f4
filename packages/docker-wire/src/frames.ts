import { Fault } from '@berth/kit';

/** Docker's multiplexed stream: an 8-byte head (stream, 3 zero bytes, length as a big-endian 32-bit number) and the data. */
export type StreamName = 'stdin' | 'stdout' | 'stderr' | 'systemerr';

const numbers: Record<StreamName, number> = { stdin: 0, stdout: 1, stderr: 2, systemerr: 3 };
const names: readonly StreamName[] = ['stdin', 'stdout', 'stderr', 'systemerr'];

/** Clients hold a whole frame in memory; larger pieces are sent as several frames. */
const maxFrameBytes = 1 << 20;

export const frameHeadBytes = 8;

/** The head of a frame whose data will stand behind it; of at most 1 MiB, since clients hold it in memory. */
export function writeFrameHead(buffer: Buffer, at: number, stream: StreamName, dataBytes: number): void {
  buffer[at] = numbers[stream];
  buffer[at + 1] = buffer[at + 2] = buffer[at + 3] = 0;
  buffer[at + 4] = dataBytes >>> 24;
  buffer[at + 5] = dataBytes >>> 16;
  buffer[at + 6] = dataBytes >>> 8;
  buffer[at + 7] = dataBytes;
}

export function frame(stream: StreamName, data: Buffer): Buffer {
  if (data.length > maxFrameBytes) {
    const parts: Buffer[] = [];
    for (let at = 0; at < data.length; at += maxFrameBytes) parts.push(frame(stream, data.subarray(at, at + maxFrameBytes)));
    return Buffer.concat(parts);
  }
  const result = Buffer.allocUnsafe(frameHeadBytes + data.length);
  writeFrameHead(result, 0, stream, data.length);
  data.copy(result, frameHeadBytes);
  return result;
}

/** Takes a multiplexed stream apart, whatever the pieces it arrives in. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** Complete frames in what has come so far. Fault `frame-broken` when the head is none of Docker's. */
  push(data: Buffer): { readonly stream: StreamName; readonly data: Buffer }[] {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    const frames: { stream: StreamName; data: Buffer }[] = [];
    while (this.#rest.length >= 8) {
      const stream = names[this.#rest[0] ?? 255];
      if (stream === undefined || this.#rest.readUIntBE(1, 3) !== 0) {
        throw new Fault('invalid', 'frame-broken', `Unrecognized input header: ${this.#rest[0]}`);
      }
      const length = this.#rest.readUInt32BE(4);
      if (this.#rest.length < 8 + length) break;
      frames.push({ stream, data: this.#rest.subarray(8, 8 + length) });
      this.#rest = this.#rest.subarray(8 + length);
    }
    return frames;
  }

  /** Bytes of a frame that has not ended. */
  get pendingBytes(): number {
    return this.#rest.length;
  }
}
