import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Sides } from '../files/sides.ts';
import { until } from '../oracle/index.ts';
import { writeContext } from './context.ts';
import { askBuild } from './request.ts';

const waiting = ['FROM busybox', 'RUN echo one > /one', 'RUN echo two > /two; sleep 100000', ''].join('\n');

/** dockerd is not asked: what it would do is no measure here. */
export function faultsSuite(sides: () => Sides): void {
  describe('faults', { timeout: 360_000 }, () => {
    const folderWith = async (name: string, dockerfile: string) => {
      const folder = join(sides().berth.directory, name);
      await mkdir(folder, { recursive: true });
      await writeContext(folder, { Dockerfile: dockerfile });
      return folder;
    };
    const containers = () => sides().berth.docker.ok(['ps', '-aq']);
    const stepRuns = () =>
      until('its second step runs', 60_000, async () =>
        (await sides().berth.docker.ok(['ps', '--no-trunc', '--format', '{{.Command}}'])).includes('sleep 100000'),
      );

    test('a client that goes takes its step with it; what was built before is kept', { timeout: 240_000 }, async () => {
      const { berth } = sides();
      const folder = await folderWith('leaving', waiting);
      const asked = askBuild(berth.docker.socketPath, folder, { t: 'never' });
      await stepRuns();
      const machines = berth.machines().length;
      asked.leave();
      await until('its container is gone', 20_000, async () => (await containers()) === '');
      await until('its machine is gone', 20_000, () => berth.machines().length < machines);
      assert.equal((await berth.docker.run(['image', 'inspect', 'never'])).exitCode, 1);
      const again = await berth.docker.ok(['build', await folderWith('after', waiting.replace('; sleep 100000', ''))], { timeoutMs: 60_000 });
      assert.match(again, /RUN echo one > \/one\n ---> Using cache\n/);
    });

    test('kill -9 of the daemon: no container, nothing half-made, no lease; the cache is there', { timeout: 300_000 }, async () => {
      const { berth } = sides();
      const folder = await folderWith('killed', waiting.replaceAll('one', 'uno'));
      const asked = askBuild(berth.docker.socketPath, folder, { t: 'never' });
      await stepRuns();
      await berth.kill();
      await assert.rejects(asked.answer);
      await berth.start();
      assert.equal(await containers(), '');
      assert.deepEqual(readdirSync(join(berth.stateDirectory, 'images/incoming')), []);
      assert.equal((await berth.docker.run(['image', 'inspect', 'never'])).exitCode, 1);
      const built = await berth.docker.ok(['build', '-t', 'later', await folderWith('later', waiting.replaceAll('one', 'uno').replace('; sleep 100000', ''))], {
        timeoutMs: 60_000,
      });
      assert.match(built, /RUN echo uno > \/uno\n ---> Using cache\n/);
      // A lease of the dead build would keep the steps from going with their image.
      const ids = (await berth.docker.ok(['history', '-q', '--no-trunc', 'later'])).split('\n').filter((id) => id.startsWith('sha256:'));
      const removed = await berth.docker.ok(['rmi', 'later']);
      assert.ok(
        ids.slice(0, 2).every((id) => removed.includes(id)),
        removed,
      );
    });

    test('two equal builds at once: each has its image', { timeout: 180_000 }, async () => {
      const { docker } = sides().berth;
      const folder = await folderWith('twice', ['FROM busybox', 'RUN echo same > /same', 'COPY Dockerfile /', ''].join('\n'));
      await Promise.all(['first', 'second'].map((tag) => docker.ok(['build', '-q', '-t', tag, folder], { timeoutMs: 80_000 })));
      const images = (await docker.ok(['images', '--format', '{{.Repository}}'])).split('\n');
      assert.ok(images.includes('first') && images.includes('second'));
    });
  });
}
