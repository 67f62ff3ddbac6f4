import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, frame, type StreamName } from './index.ts';

const pieces = fc.array(
  fc.tuple(
    fc.constantFrom<StreamName>('stdout', 'stderr'),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  ),
);

test('frames come back whole and in order, however the stream is cut', () => {
  fc.assert(
    fc.property(pieces, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, cuts) => {
      const wire = Buffer.concat(sent.map(([stream, data]) => frame(stream, data)));
      const reader = new FrameReader();
      const got: { stream: StreamName; data: Buffer }[] = [];
      for (let at = 0, n = 0; at < wire.length; n++) {
        const size = cuts[n % cuts.length] ?? 1;
        got.push(...reader.push(wire.subarray(at, at + size)));
        at += size;
      }
      assert.equal(reader.pendingBytes, 0);
      assert.deepEqual(
        got.map(({ stream, data }) => [stream, data.toString('hex')]),
        sent.map(([stream, data]) => [stream, data.toString('hex')]),
      );
    }),
  );
});

test('a large piece is sent as several frames', () => {
  const data = Buffer.alloc((2 << 20) + 5, 7);
  const frames = new FrameReader().push(frame('stderr', data));
  assert.deepEqual(
    frames.map((one) => one.data.length),
    [1 << 20, 1 << 20, 5],
  );
  assert.ok(Buffer.concat(frames.map((one) => one.data)).equals(data));
});

test('a head that is none of Docker’s is refused', () => {
  assert.throws(() => new FrameReader().push(Buffer.from('HTTP/1.1 200')), { code: 'frame-broken' });
});
