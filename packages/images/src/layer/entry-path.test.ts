import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import { isFault } from '@berth/kit';
import fc from 'fast-check';
import { entryPath, whiteoutOf } from './entry-path.ts';

test('paths are cleaned as path.normalize does, or leave the root and are refused', () => {
  const part = fc.constantFrom('a', 'b', '.', '..', '', '...', '.wh.a', 'ü');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.boolean(), (parts, absolute) => {
      const path = (absolute ? '/' : '') + parts.join('/');
      const depths = parts.reduce<number[]>((list, one) => [...list, (list.at(-1) ?? 0) + (one === '..' ? -1 : one === '' || one === '.' ? 0 : 1)], []);
      const leaves = depths.some((depth) => depth < 0);
      if (leaves) {
        assert.throws(
          () => entryPath(path),
          (error) => isFault(error, 'tar-invalid') && /outside of the root/.test(error.message),
        );
      } else {
        const names = entryPath(path);
        assert.equal(`/${names.join('/')}`, posix.resolve('/', `./${path}`));
        assert.ok(names.every((one) => one !== '' && one !== '.' && one !== '..'));
      }
    }),
  );
});

test('names Linux could not hold are refused', () => {
  assert.throws(() => entryPath('a\0b'), /NUL/);
  assert.throws(() => entryPath('x'.repeat(256)), /longer than 255/);
  assert.throws(() => entryPath('x/'.repeat(2100)), /longer than 4095/);
  assert.deepEqual(entryPath('x'.repeat(255)), ['x'.repeat(255)]);
});

test('whiteouts', () => {
  assert.deepEqual(whiteoutOf('.wh.a'), { kind: 'hides', name: 'a' });
  assert.deepEqual(whiteoutOf('.wh..wh..opq'), { kind: 'opaque' });
  assert.deepEqual(whiteoutOf('.wh..wh.plnk'), { kind: 'bookkeeping' });
  assert.equal(whiteoutOf('.whx'), undefined);
  for (const name of ['.wh.', '.wh..', '.wh...'])
    assert.throws(
      () => whiteoutOf(name),
      (error) => isFault(error, 'tar-invalid'),
    );
});
