import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encodeHeader, HEADER_BYTES, type Piece } from './codec.ts';

const pieces = fc.record(
  {
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    timeNs: fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }),
    run: fc.nat({ max: 2 ** 32 - 1 }),
    offset: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    open: fc.record({ stdout: fc.boolean(), stderr: fc.boolean() }, { noNullPrototype: true }),
    data: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);

const encode = (piece: Piece) => Buffer.concat([encodeHeader(piece), piece.data]);

test('a record is read as it was written, wherever it lies', () => {
  fc.assert(
    fc.property(pieces, fc.uint8Array({ maxLength: 50 }), (piece, before) => {
      const bytes = Buffer.concat([before, encode(piece), Buffer.from([1, 2, 3])]);
      assert.deepEqual(decode(bytes, before.length), piece);
    }),
  );
});

test('a record that is cut short or changed anywhere is none', () => {
  fc.assert(
    fc.property(pieces, fc.nat(), fc.integer({ min: 1, max: 255 }), (piece, place, change) => {
      const bytes = encode(piece);
      assert.equal(decode(bytes.subarray(0, place % bytes.length), 0), undefined);
      const at = place % bytes.length;
      // The two spare bytes count for the checksum, too.
      bytes[at] = (bytes[at] ?? 0) ^ change;
      assert.equal(decode(bytes, 0), undefined);
    }),
  );
});

test('no bytes make the reader fail', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3 * HEADER_BYTES }), fc.nat({ max: 64 }), (bytes, at) => void decode(Buffer.from(bytes), at)));
});
