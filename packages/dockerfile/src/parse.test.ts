import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isFault } from '@berth/kit';
import { commandLine, parseDockerfile, scriptOf, type RunInstruction } from './index.ts';

const only = (text: string) => parseDockerfile(`FROM x\n${text}`).stages[0]?.instructions[0];
const refused = (sentence: RegExp | string) => (error: unknown) =>
  isFault(error) && (typeof sentence === 'string' ? error.message === sentence : sentence.test(error.message));
const run = (text: string) => only(text) as RunInstruction;

describe('Dockerfiles are read as Docker reads them', () => {
  test('continuation lines, with comments and empty lines between', () => {
    const { stages } = parseDockerfile('# a comment\nFROM  a\nRUN one \\\n  # not this\n\n  two \\ \n three\nRUN four\\\\\nCMD []\n');
    assert.deepEqual(
      stages[0]?.instructions.map(({ text }) => text),
      ['RUN one   two  three', 'RUN four\\\\', 'CMD []'],
    );
  });

  test('directives: another escape character, and where they end', () => {
    const parsed = parseDockerfile('# escape=`\n# syntax=docker/dockerfile:1\nFROM a\nRUN a `\n b\\\n');
    assert.equal(parsed.escape, '`');
    assert.equal(parsed.stages[0]?.instructions[0]?.text, 'RUN a  b\\');
    assert.equal(parseDockerfile('# hello\n# escape=`\nFROM a').escape, '\\');
    assert.throws(() => parseDockerfile('# escape=x\nFROM a'), refused(/invalid ESCAPE 'x'/));
    assert.throws(() => parseDockerfile('# escape=`\n# escape=`\nFROM a'), refused(/only one escape parser directive/));
  });

  test('commands as lists and as lines', () => {
    assert.deepEqual(run('RUN ["a", "b c"]').command, { form: 'exec', args: ['a', 'b c'] });
    assert.deepEqual(run("RUN ['a']").command, { form: 'shell', text: "['a']" });
    assert.deepEqual(commandLine(run('RUN a && b'), null), ['/bin/sh', '-c', 'a && b']);
    assert.deepEqual(commandLine(run('RUN a'), ['bash', '-ec']), ['bash', '-ec', 'a']);
  });

  test('flags', () => {
    const copy = only('COPY --from=b --chown=1:2 --chmod=755 --link a "b" /c/');
    assert.ok(copy?.name === 'COPY');
    assert.deepEqual([copy.from, copy.chown, copy.chmod, copy.sources, copy.destination], ['b', '1:2', '755', ['a', '"b"'], '/c/']);
    assert.deepEqual(run('RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --network=none x').mounts.length, 2);
    for (const [text, sentence] of [
      ['COPY --nonsense a b', 'dockerfile parse error line 2: unknown flag: nonsense'],
      ['COPY --chown=1 --chown=2 a b', 'dockerfile parse error line 2: duplicate flag specified: chown'],
      ['COPY --from a b', 'dockerfile parse error line 2: missing a value on flag: from'],
      ['COPY --parents a b', 'COPY --parents is not supported by Berth yet'],
      ['RUN --mount=type=ssh x', /no way back to its client/],
      ['RUN --mount=type=cache x', /target is required/],
      ['RUN --security=insecure x', /the rights of a container/],
    ] as const) {
      assert.throws(() => only(text), refused(sentence), text);
    }
  });

  test('what cannot be, in the words of Docker', () => {
    for (const [text, sentence] of [
      ['', 'failed to parse Dockerfile: file with no instructions'],
      ['# only this', 'failed to parse Dockerfile: file with no instructions'],
      ['RUN x', 'dockerfile parse error line 1: no build stage in current context'],
      ['ARG x', 'no build stage in current context'],
      ['FROM a\nNONSENSE x', 'dockerfile parse error line 2: unknown instruction: NONSENSE'],
      ['FROM a b', 'dockerfile parse error line 1: FROM requires either one or three arguments'],
      ['FROM a AS 1x', /invalid name for build stage: "1x"/],
      ['FROM a\n\nCOPY x', /line 3: COPY requires at least two arguments, but only one was provided/],
      ['FROM a\nENV x', 'dockerfile parse error line 2: ENV must have two arguments'],
      ['FROM a\nENV a=b c', /can't find = in "c"/],
      ['FROM a\nARG =x', /ARG names can not be blank/],
      ['FROM a\nSHELL x', /SHELL requires the arguments to be in JSON form/],
      ['FROM a\nONBUILD FROM x', /FROM isn't allowed as an ONBUILD trigger/],
      ['FROM a\nRUN <<EOF\nx', 'dockerfile parse error line 2: unterminated heredoc'],
    ] as const) {
      assert.throws(() => parseDockerfile(text), refused(sentence), text);
    }
  });

  test('heredocs', () => {
    const script = run('RUN <<EOF\necho a\n  echo b\nEOF\n');
    assert.deepEqual(commandLine(script, null), ['/bin/sh', '-c', 'echo a\n  echo b\n']);
    assert.equal(scriptOf(script), undefined);
    assert.equal(scriptOf(run('RUN <<-X\n\t#!/usr/bin/env python3\n\tprint(1)\n\tX'))?.content, '#!/usr/bin/env python3\nprint(1)\n');
    const mixed = run('RUN cat <<A <<"B" > /x\na $b\nA\nb\nB\n');
    assert.deepEqual(commandLine(mixed, null)[2], 'cat <<A <<"B" > /x\na $b\nA\nb\nB');
    const copy = only('COPY <<one <<"two" /d/\n$a\none\n$b\ntwo\n');
    assert.ok(copy?.name === 'COPY');
    assert.deepEqual(
      [copy.sources, copy.heredocs.map(({ name, content, expand }) => [name, content, expand])],
      [
        [],
        [
          ['one', '$a\n', true],
          ['two', '$b\n', false],
        ],
      ],
    );
  });

  test('whatever is given, it is read or refused', () => {
    const words = fc.constantFrom(
      'FROM',
      'RUN',
      'COPY',
      'ENV',
      'ARG',
      ' ',
      '\n',
      '\\',
      '\\\n',
      '"',
      "'",
      '$',
      '{',
      '}',
      '=',
      '--from=',
      '--mount=',
      '<<E',
      'E',
      '[',
      ']',
      '#',
      'a',
      ':-',
      '`',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
        try {
          parseDockerfile(parts.join(''));
        } catch (error) {
          assert.ok(isFault(error), String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
