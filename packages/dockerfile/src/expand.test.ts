import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isFault } from '@berth/kit';
import { BuildArguments, configure, expandInstruction, expandWord, parseDockerfile, parseInstruction, stagesNeeded, variablesOf } from './index.ts';
import { expandWords } from './expand.ts';

const variables = new Map([
  ['a', 'one'],
  ['empty', ''],
  ['path', '/usr/lib/x.tar.gz'],
  ['two', 'b c'],
]);

describe('words are expanded as Docker expands them', () => {
  test('variables and their modifiers', () => {
    for (const [word, expected] of [
      ['$a-${a}', 'one-one'],
      ['$none|', '|'],
      ['$', '$'],
      ['\\$a', '$a'],
      ["'$a'", '$a'],
      ['"$a \\" \\x"', 'one " \\x'],
      ['${none:-x}${none-y}${empty:-z}${empty-w}', 'xyz'],
      ['${a:+x}${none:+y}${empty+z}', 'xz'],
      ['${none:-${a}}', 'one'],
      ['${none:-"b c"}', 'b c'],
      ['${path##*/}', 'x.tar.gz'],
      ['${path#*/}', 'usr/lib/x.tar.gz'],
      ['${path%.*}', '/usr/lib/x.tar'],
      ['${path%%.*}', '/usr/lib/x'],
      ['${path/lib/LIB}', '/usr/LIB/x.tar.gz'],

      ['${a//[o]/x}', 'one'],
    ] as const) {
      assert.equal(expandWord(word, variables), expected, word);
    }
    assert.deepEqual(expandWords('x$two "$two"', variables), ['xb', 'c', 'b c']);
    assert.equal(expandWord('a`$a', variables, '`'), 'a$a');
  });

  test('what cannot be', () => {
    for (const [word, sentence] of [
      ['${a', /missing '}'/],
      ['${}', /bad substitution/],
      ['${a:x}', /unsupported modifier \(:x\)/],
      ["'a", /matching single-quote/],
      ['"a', /matching double-quote/],
      ['${none:?it is needed}', /none: it is needed/],
      ['${empty:?}', /empty: is not allowed to be empty/],
    ] as const) {
      assert.throws(
        () => expandWord(word, variables),
        (error) => isFault(error, 'dockerfile-invalid') && sentence.test(error.message),
        word,
      );
    }
  });

  test('what is quoted comes out as it was', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes("'")),
        (text) => assert.equal(expandWord(`'${text}'`, variables), text),
      ),
    );
    fc.assert(fc.property(fc.string(), (text) => assert.equal(expandWord(`"${text.replaceAll(/["$\\]/g, '\\$&')}"`, variables), text)));
  });

  test('nothing hangs or breaks', () => {
    const parts = fc.constantFrom('${', '}', '$a', 'a', ':-', '#', '%', '/', '*', '?', '"', "'", '\\', ' ');
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 60 }), (pieces) => {
        try {
          expandWord(pieces.join(''), variables);
        } catch (error) {
          assert.ok(isFault(error, 'dockerfile-invalid'), String(error));
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

test('what instructions make of a configuration', () => {
  const lines = [
    'ENV PATH=/bin a="x y" b=$a',
    'ENV old style  value',
    'LABEL "x y"=z',
    'EXPOSE 80 53/udp',
    'VOLUME ["/v", "/w"]',
    'WORKDIR /a',
    'WORKDIR ../b',
    'SHELL ["/bin/ash", "-c"]',
    'CMD echo $a',
    'ENTRYPOINT ["x"]',
    'USER ${a}',
  ];
  const config = lines.reduce(
    (so, text) => configure(so, expandInstruction(parseInstruction({ line: 1, text, heredocs: [] }), variablesOf(so.Env), '\\')),
    configure({}, { name: 'USER', word: '', line: 0, text: '' }),
  );
  assert.deepEqual(config, {
    User: 'x y',
    Env: ['PATH=/bin', 'a=x y', 'b=', 'old=style  value'],
    Labels: { 'x y': 'z' },
    ExposedPorts: { '53/udp': {}, '80/tcp': {} },
    Volumes: { '/v': {}, '/w': {} },
    WorkingDir: '/b',
    Shell: ['/bin/ash', '-c'],
    Cmd: ['/bin/ash', '-c', 'echo $a'],
    Entrypoint: ['x'],
  });
});

test('build arguments: where they hold, and what goes before what', () => {
  const args = new BuildArguments(
    new Map([
      ['given', 'g'],
      ['unused', 'u'],
      ['http_proxy', 'p'],
    ]),
    { TARGETARCH: 'amd64' },
  );
  args.addGlobal('given', 'default');
  args.addGlobal('global', 'all');
  assert.deepEqual(Object.fromEntries(args.globals()), { TARGETARCH: 'amd64', given: 'g', global: 'all', http_proxy: 'p' });
  args.beginStage();
  assert.deepEqual(args.inStage(new Map()), [['http_proxy', 'p']]);
  const arg = (text: string) => {
    const instruction = parseInstruction({ line: 1, text, heredocs: [] });
    if (instruction.name === 'ARG') args.add(instruction);
  };
  arg('ARG given=x global own=mine absent TARGETARCH');
  assert.deepEqual(Object.fromEntries(args.inStage(new Map([['own', 'of the image']]))), { http_proxy: 'p', given: 'g', global: 'all', TARGETARCH: 'amd64' });
  assert.equal(args.isVisible('http_proxy'), false);
  assert.equal(args.isVisible('own'), true);
  args.beginStage();
  assert.deepEqual(args.inStage(new Map()), [['http_proxy', 'p']]);
  assert.deepEqual(args.unused(), ['unused']);
});

test('stages that nothing needs are left out', () => {
  const { stages } = parseDockerfile(
    ['FROM a AS one', 'FROM b AS two', 'FROM one AS three', 'COPY --from=1 x y', 'FROM c AS four', 'RUN --mount=from=three,target=/x y', 'FROM d'].join('\n'),
  );
  const needed = (target: string) => stagesNeeded(stages, target, ({ image }) => image);
  assert.deepEqual(needed(''), [4]);
  assert.deepEqual(needed('four'), [0, 1, 2, 3]);
  assert.deepEqual(needed('three'), [0, 1, 2]);
  assert.deepEqual(needed('1'), [1]);
  assert.throws(() => needed('none'), /failed to reach build target none in Dockerfile/);
});
