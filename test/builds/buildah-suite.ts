import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Sides } from '../files/sides.ts';
import { writeBusyboxImage } from '../oracle/index.ts';
import { Buildah } from './buildah.ts';
import { type Files, writeContext } from './context.ts';
import { askBuild } from './request.ts';
import { folded, readArchive } from './saved-image.ts';

const lines = (...text: readonly string[]) => `${text.join('\n')}\n`;

/** What the classic builder of dockerd does not know and buildah does. */
const modern: Files = {
  a: 'one\n',
  'd/b': 'two\n',
  'd/e/f': 'three\n',
  token: 'secret word\n',
  Dockerfile: lines(
    'FROM busybox AS source',
    'RUN mkdir /tree && echo from a stage > /tree/file',
    'FROM busybox',
    'COPY --chmod=751 a /a',
    'COPY --chmod=0700 --chown=1:2 d /d',
    'RUN --mount=type=bind,target=/context,source=d cat /context/b > /bound',
    'COPY a /home/hidden',
    'RUN --mount=type=bind,from=source,source=/tree,target=/home cat /home/file > /staged && ls /home >> /staged',
    'RUN --mount=type=cache,target=/cache echo kept >> /cache/log && cp /cache/log /first',
    'RUN --mount=type=cache,target=/cache cat /cache/log > /second; ls / > /dev/null',
    'RUN --mount=type=tmpfs,target=/scratch echo gone > /scratch/x && cp /scratch/x /tmpfs',
    'RUN --mount=type=secret,id=token sed s/secret/known/ /run/secrets/token > /told',
    'RUN --mount=type=secret,id=token,target=/elsewhere,mode=0440 stat -c %a /elsewhere > /mode',
  ),
};

/** buildah leaves mount points behind, or takes away (1.28) what was there before. */
const theirOwn = /^(?:\.wh\.)?(?:dev|proc|sys|run|context|cache|scratch|elsewhere|etc|home)(?:$|[ /])/;

/** Heredocs: Debian's buildah is older than they are. What they mean is written out as steps without them. */
const heredocs = lines(
  'FROM busybox',
  'ENV NAME=value',
  'RUN <<EOF',
  'set -e',
  'echo "a $NAME" > /script',
  '  echo indented >> /script',
  'EOF',
  'RUN cat <<"ONE" <<TWO > /two && echo done >> /two',
  '$not expanded',
  'ONE',
  '$(echo by the shell)',
  'TWO',
  'RUN <<-PROGRAM',
  '\t#!/bin/sh -e',
  '\techo by $0 > /program',
  '\tPROGRAM',
  'COPY <<one.txt <<"two.txt" /texts/',
  '$NAME is put in, "so"',
  'one.txt',
  '$NAME is not',
  'two.txt',
  'COPY <<EOF /texts/three',
  'alone',
  'EOF',
);

export function buildahSuite(sides: () => Sides): void {
  describe('what the classic builder of dockerd does not know', { timeout: 400_000 }, () => {
    test('mounts, modes and secrets: the same files and configuration as with buildah', { timeout: 300_000 }, async () => {
      const [, ours] = sides().all;
      const folder = join(ours.host, 'modern');
      await mkdir(folder, { recursive: true });
      await writeContext(folder, modern);
      const base = join(ours.host, 'busybox.tar');
      await writeBusyboxImage(base);
      const buildah = await Buildah.open(join(ours.host, 'buildah'), base);
      const theirs = await buildah.build(folder, 'modern', ['--secret', `id=token,src=${join(folder, 'token')}`]);

      const answer = await askBuild(ours.docker.socketPath, folder, { t: 'modern', secrets: JSON.stringify(['id=token,src=token']) }).answer;
      assert.match(answer, /Successfully built/);
      assert.doesNotMatch(answer, /secret word/);
      const archive = join(ours.host, 'modern.tar');
      await ours.docker.ok(['save', '-o', archive, 'modern']);
      const mine = await readArchive(archive);
      const plain = (layers: string[][]) => folded(layers).filter((line) => !theirOwn.test(line));
      assert.deepEqual(plain(mine.layers), plain(theirs.layers));
      assert.ok(folded(mine.layers).some((line) => line.startsWith('home/hidden file')));
      assert.ok(!folded(mine.layers).some((line) => /^(?:context|cache|scratch|elsewhere|run)/.test(line)), 'a mount left something');
      const meaning = ({ Env, Cmd }: Record<string, unknown>) => ({ Env, Cmd });
      assert.deepEqual(meaning(mine.config), meaning(theirs.config));
      const history = await ours.docker.ok(['history', '--no-trunc', 'modern']);
      assert.doesNotMatch(history, /secret word/);
    });

    test('the cache of steps is seen and pruned', { timeout: 60_000 }, async () => {
      const { docker } = sides().all[1];
      assert.match(await docker.ok(['system', 'df', '-v']), /exec\.cachemount/);
      assert.doesNotMatch(await docker.ok(['volume', 'ls']), /build-cache/);
      assert.match(await docker.ok(['builder', 'prune', '-f']), /build-cache-[0-9a-f]+[^]*Total/);
      assert.doesNotMatch(await docker.ok(['system', 'df', '-v']), /exec\.cachemount/);
    });

    test('heredocs', { timeout: 120_000 }, async () => {
      const { docker, host } = sides().all[1];
      const folder = join(host, 'heredocs');
      await mkdir(folder, { recursive: true });
      await writeContext(folder, { Dockerfile: heredocs });
      await docker.ok(['build', '-t', 'heredocs', folder], { timeoutMs: 60_000 });
      const said = await docker.ok(['run', '--rm', 'heredocs', 'sh', '-c', 'head -n 9 /script /two /program /texts/*; stat -c "%a %u" /texts/three']);
      assert.equal(
        said,
        [
          ['==> /script <==', 'a value', 'indented', ''],
          ['==> /two <==', 'by the shell', 'done', ''],
          ['==> /program <==', 'by /dev/pipes/PROGRAM', ''],
          ['==> /texts/one.txt <==', 'value is put in, "so"', ''],
          ['==> /texts/three <==', 'alone', ''],
          ['==> /texts/two.txt <==', '$NAME is not', '644 0'],
        ]
          .flat()
          .join('\n'),
      );
    });
  });
}
