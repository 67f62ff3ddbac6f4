import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from './lines.ts';
import { noOpenLines, type Piece } from './codec.ts';
import type { LogRecord } from '../port.ts';

const LINE = 16 << 10;
const parts = fc.array(
  fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    run: fc.constant(1),
    data: fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 1, maxLength: 12 }).map((text) => Buffer.from(text)),
      fc.nat({ max: 40_000 }).map((length) => Buffer.alloc(length + 1, 'x')),
    ),
  }),
  { maxLength: 20 },
);

function split(list: readonly Omit<Piece, 'timeNs' | 'offset' | 'open'>[]): LogRecord[] {
  const splitter = new LineSplitter();
  return [...list.flatMap((part, index) => splitter.push({ ...part, timeNs: BigInt(index), offset: 0, open: noOpenLines })), ...splitter.flush()];
}

test('lines are the bytes of their stream, each ended by a newline, by 16 KiB, or by the end', () => {
  fc.assert(
    fc.property(parts, (list) => {
      const records = split(list);
      for (const stream of ['stdout', 'stderr'] as const) {
        const own = records.filter((record) => record.stream === stream).map(({ data }) => data);
        const sent = Buffer.concat(list.filter((part) => part.stream === stream).map(({ data }) => data));
        assert.ok(Buffer.concat(own).equals(sent));
        for (const [index, line] of own.entries()) {
          assert.ok(line.length > 0 && line.length <= LINE);
          const newline = line.indexOf(10);
          assert.ok(newline < 0 || newline === line.length - 1, 'a newline only at the end');
          assert.ok(newline >= 0 || line.length === LINE || index === own.length - 1, 'no newline only for a reason');
        }
      }
    }),
  );
});

test('how the bytes were cut into pieces makes no difference', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '\n'), maxLength: 60 }), fc.array(fc.nat({ max: 60 }), { maxLength: 6 }), (text, cuts) => {
      const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
      const list = places.slice(1).map((end, index) => ({ stream: 'stdout' as const, run: 1, data: Buffer.from(text.slice(places[index], end)) }));
      const lines = split(list.filter(({ data }) => data.length > 0)).map(({ data }) => data.toString());
      assert.deepEqual(lines, text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
    }),
  );
});

test('a line has the time of the piece that ended it, and a run ends what it left open', () => {
  const out = (data: string, run = 1) => ({ stream: 'stdout' as const, run, data: Buffer.from(data) });
  const records = split([out('a'), out('b\nc'), out('d'), out('e\n', 2)]);
  assert.deepEqual(
    records.map(({ timeNs, data }) => [timeNs, data.toString()]),
    [
      [1n, 'ab\n'],
      [2n, 'cd'],
      [3n, 'e\n'],
    ],
  );
});
