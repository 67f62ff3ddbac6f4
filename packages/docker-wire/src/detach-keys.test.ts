import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DetachWatch, defaultDetachKeys, parseDetachKeys } from './index.ts';

const keys = parseDetachKeys(defaultDetachKeys);

test('sequences are read as Docker writes them', () => {
  assert.deepEqual([...keys], [16, 17]);
  assert.deepEqual([...parseDetachKeys('ctrl-a,x,ctrl-[')], [1, 120, 27]);
  for (const wrong of ['ctrl-', 'ctrl-A', 'ctrl-1', 'abc', '', 'a,,b']) assert.throws(() => parseDetachKeys(wrong), { code: 'detach-keys-invalid' }, wrong);
});

test('everything but the sequence reaches the program, once and in order', () => {
  const byte = fc.constantFrom(16, 17, 97);
  fc.assert(
    fc.property(fc.array(fc.array(byte)), (pieces) => {
      const all = pieces.flat();
      const watch = new DetachWatch(keys);
      const given: number[] = [];
      let detached = false;
      for (const piece of pieces) {
        const seen = watch.push(Buffer.from(piece));
        given.push(...seen.forward);
        detached = seen.detached;
        if (detached) break;
      }
      if (!detached) given.push(...watch.end());
      const at = all.findIndex((value, index) => value === 16 && all[index + 1] === 17);
      assert.equal(detached, at >= 0);
      assert.deepEqual(given, at < 0 ? all : all.slice(0, at));
    }),
  );
});
