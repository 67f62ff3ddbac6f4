import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFault } from '@berth/kit';
import fc from 'fast-check';
import { familiar, parseNamed, parseReference, withDefaultTag } from './reference.ts';

const HEX = 'ab'.repeat(32);

test('familiar and full names', () => {
  const cases: [string, string, string][] = [
    ['busybox', 'docker.io/library/busybox', 'busybox:latest'],
    ['library/busybox', 'docker.io/library/busybox', 'busybox:latest'],
    ['docker.io/busybox:1', 'docker.io/library/busybox', 'busybox:1'],
    ['index.docker.io/berth/hello', 'docker.io/berth/hello', 'berth/hello:latest'],
    ['localhost/x', 'localhost/x', 'localhost/x:latest'],
    ['localhost:5000/a/b:t', 'localhost:5000/a/b', 'localhost:5000/a/b:t'],
    ['Example.com/a', 'Example.com/a', 'Example.com/a:latest'],
    ['[::1]:5000/a', '[::1]:5000/a', '[::1]:5000/a:latest'],
    [`busybox@sha256:${HEX}`, 'docker.io/library/busybox', `busybox@sha256:${HEX}`],
    [`a/b:t@sha256:${HEX}`, 'docker.io/a/b', `a/b:t@sha256:${HEX}`],
    ['a__b-c.d--e', 'docker.io/library/a__b-c.d--e', 'a__b-c.d--e:latest'],
  ];
  for (const [text, name, shown] of cases) {
    const reference = withDefaultTag(parseNamed(text));
    assert.equal(reference.name, name);
    assert.equal(familiar(reference), shown);
  }
});

test('ids', () => {
  assert.deepEqual(parseReference(HEX), { kind: 'digest', digest: `sha256:${HEX}` });
  assert.deepEqual(parseReference(`sha256:${HEX}`), { kind: 'digest', digest: `sha256:${HEX}` });
  assert.equal(parseReference(HEX.slice(0, 12)).kind, 'named');
});

test("refusals in Docker's words", () => {
  const cases: [string, string][] = [
    ['', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a_-b', 'invalid reference format'],
    ['a:b:c', 'invalid reference format'],
    [`a:${'t'.repeat(129)}`, 'invalid reference format'],
    ['Foo', 'invalid reference format: repository name (library/Foo) must be lowercase'],
    ['a/Foo:x', 'invalid reference format: repository name (a/Foo) must be lowercase'],
    ['a'.repeat(256), 'invalid reference format: repository name must not be more than 255 characters'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    [`a@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [`a@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseNamed(text),
      (error) => isFault(error, 'reference-invalid') && error.message === message,
      `${text}: ${message}`,
    );
  }
});

test('what is shown parses to what it was', () => {
  const component = fc.stringMatching(/^[a-z0-9]{1,6}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/);
  const domain = fc.constantFrom('', 'localhost/', 'localhost:5000/', 'example.com/', 'a.b:443/', 'docker.io/');
  const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/), { nil: undefined });
  const digest = fc.option(fc.constant(`sha256:${HEX}`), { nil: undefined });
  fc.assert(
    fc.property(domain, fc.array(component, { minLength: 1, maxLength: 3 }), tag, digest, (prefix, path, theTag, theDigest) => {
      // Docker's own familiar form of docker.io/a.b/c reads as a name on the host a.b: nothing to be had there.
      fc.pre(path.length === 1 || !/[.]|^localhost$/.test(path[0] ?? ''));
      const text = `${prefix}${path.join('/')}${theTag === undefined ? '' : `:${theTag}`}${theDigest === undefined ? '' : `@${theDigest}`}`;
      const parsed = parseNamed(text);
      assert.deepEqual(parseNamed(familiar(parsed)), parsed);
      assert.equal(parsed.tag, theTag);
      assert.equal(parsed.digest, theDigest);
    }),
  );
});

test('any text parses or is refused with a Fault', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'aA0._-/:@ []sha256') }), (text) => {
      try {
        parseReference(text);
      } catch (error) {
        assert.ok(isFault(error, 'reference-invalid'), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
