import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkedName, randomName } from './names.ts';

test('names that are made up are names, and never run out', () => {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const name = randomName(attempt);
    assert.equal(checkedName(`/${name}`), name);
  }
});

test('two characters at least, and none that a path or a host name could not carry', () => {
  for (const name of ['', 'a', '-ab', '.ab', '_ab', 'a b', 'a/b', 'ä1', 'a\n'])
    assert.throws(() => checkedName(name), { code: 'name-invalid', kind: 'invalid' });
  for (const name of ['ab', 'A1', 'a-b_c.d', '0x']) assert.equal(checkedName(name), name);
});
