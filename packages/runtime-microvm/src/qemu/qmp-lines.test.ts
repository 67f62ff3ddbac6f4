import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { QmpLines } from './qmp-lines.ts';

test('objects come out as they went in, however the bytes are cut', () => {
  const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 20 });
  fc.assert(
    fc.property(objects, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), fc.constantFrom('\n', '\r\n'), (sent, sizes, end) => {
      const wanted = JSON.parse(JSON.stringify(sent)) as unknown[];
      const bytes = Buffer.from(sent.map((object) => `${JSON.stringify(object)}${end}`).join(''));
      const lines = new QmpLines();
      const got: unknown[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = sizes.next().value as number;
        got.push(...lines.push(bytes.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(got, wanted);
    }),
  );
});

test('what is no object is refused', () => {
  for (const text of ['nonsense\n', '[1]\n', '7\n', 'null\n', '{"a":\n']) assert.throws(() => new QmpLines().push(Buffer.from(text)), SyntaxError);
});

test('a line without end is refused', () => {
  const lines = new QmpLines();
  assert.throws(() => {
    for (let i = 0; i < 40; i++) lines.push(Buffer.alloc(65536, 0x20));
  }, RangeError);
});
