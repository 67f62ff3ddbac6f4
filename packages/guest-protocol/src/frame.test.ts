import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, encodeMessage, FrameParser, MORE, PAYLOAD_MAX, type Frame } from './frame.ts';

/** Feeds the bytes in pieces of the given sizes, over and over. */
function parse(bytes: Buffer, sizes: readonly number[]): Frame[] {
  const frames: Frame[] = [];
  const parser = new FrameParser((frame) => frames.push({ ...frame, payload: Buffer.from(frame.payload) }));
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    parser.push(bytes.subarray(at, at + size));
    at += size;
  }
  return frames;
}

const frame = fc.record({
  type: fc.integer({ min: 1, max: 255 }),
  stream: fc.nat(),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});
const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 });

test('frames survive any cutting of the stream', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 10 }), sizes, (frames, cuts) => {
      const parsed = parse(Buffer.concat(frames.map((f) => encodeFrame(f.type, f.stream, f.payload))), cuts);
      assert.deepEqual(
        parsed,
        frames.map((f) => ({ ...f, flags: 0 })),
      );
    }),
  );
});

test('after lost or foreign bytes, and enough zeros, the next frame is found', () => {
  fc.assert(
    fc.property(frame, frame, fc.nat(400), fc.uint8Array({ maxLength: 50 }), sizes, (cut, next, lost, foreign, cuts) => {
      const broken = encodeFrame(cut.type, cut.stream, cut.payload);
      const bytes = Buffer.concat([
        broken.subarray(0, lost % broken.length),
        foreign,
        Buffer.alloc(PAYLOAD_MAX + 64),
        encodeFrame(next.type, next.stream, next.payload),
      ]);
      const parsed = parse(
        bytes,
        cuts.map((size) => size * 100),
      );
      assert.deepEqual(parsed.at(-1), { ...next, flags: 0 });
    }),
    { numRuns: 60 },
  );
});

test('a flipped bit is never believed', () => {
  fc.assert(
    fc.property(frame, fc.nat(), (one, place) => {
      const bytes = encodeFrame(one.type, one.stream, one.payload);
      const bit = place % (bytes.length * 8);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.deepEqual(parse(Buffer.concat([bytes, Buffer.alloc(PAYLOAD_MAX + 64)]), [4096]), []);
    }),
  );
});

test('a long message goes in frames of at most the largest payload', () => {
  const body = Buffer.alloc(2 * PAYLOAD_MAX + 5, 7);
  const frames = parse(encodeMessage(9, 3, body), [1000]);
  assert.deepEqual(
    frames.map((f) => [f.flags, f.payload.length]),
    [
      [MORE, PAYLOAD_MAX],
      [MORE, PAYLOAD_MAX],
      [0, 5],
    ],
  );
});
