import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isFault } from '@berth/kit';
import { globRegExp, IgnoreRules } from './index.ts';

describe('.dockerignore', () => {
  for (const [rules, excluded, kept] of [
    [['*.log'], ['a.log'], ['b/a.log', 'a.logs']],
    [['**/*.log'], ['a.log', 'b/c/a.log'], ['a.txt']],
    [['/build', 'x/'], ['build', 'build/a', 'x/y'], ['y/build']],
    [
      ['*', '!keep', '!dir/only.txt'],
      ['a', 'dir', 'dir/other'],
      ['keep', 'keep/below', 'dir/only.txt'],
    ],
    [
      ['docs', '!docs/a', 'docs/a/b'],
      ['docs/x', 'docs/a/b'],
      ['docs/a', 'docs/a/c'],
    ],
    [['# comment', '', '  spaced  '], ['spaced'], ['# comment']],
    [
      ['a?c', '[x-z]1', '[^a]2'],
      ['abc', 'y1', 'b2'],
      ['ac', 'a/c', 'w1', 'a2'],
    ],
    [['a/**'], ['a/b', 'a/b/c'], ['b', 'a']],
    [['**'], ['a', 'a/b'], []],
    [['foo\\*'], ['foo*'], ['foox']],
    [['[\\d]1'], ['d1'], ['51']],
  ] as const) {
    test(rules.join(' '), () => {
      const all = new IgnoreRules(rules.join('\n'));
      for (const path of excluded) assert.equal(all.excludes(path), true, path);
      for (const path of kept) assert.equal(all.excludes(path), false, path);
    });
  }

  test('a pattern without anything special fits itself and nothing else', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => !/[/\n\r]/.test(text));
    fc.assert(
      fc.property(name, name, (one, other) => {
        const pattern = globRegExp(one.replaceAll(/[\\*?[]/g, '\\$&'));
        assert.equal(pattern.test(one), true);
        assert.equal(pattern.test(other), one === other);
      }),
    );
  });

  test('any text is a set of rules, or refused', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, path) => {
        try {
          new IgnoreRules(text).excludes(path);
        } catch (error) {
          assert.ok(isFault(error, 'dockerfile-invalid'), String(error));
        }
      }),
    );
  });
});
