import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Berth } from '../berth/index.ts';
import { importImage, pythonImage } from '../compose/images.ts';
import { until } from '../oracle/index.ts';
import { client } from './sides.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const reaperImage = 'reaper-stand-in:1';

describe('Testcontainers', { timeout: 840_000 }, () => {
  let berth: Berth;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bt-libraries-'));
    berth = await Berth.open();
    await importImage(berth.docker, pythonImage);
  });
  after(async () => {
    await berth?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('Testcontainers, and what its reaper removes after an interrupted run', async () => {
    const { docker } = berth;
    await docker.ok(['create', '--name', 'reaper', pythonImage.name, 'python3', '-u', '/reaper.py']);
    await docker.ok(['cp', here('reaper.py'), 'reaper:/reaper.py'], { timeoutMs: 120_000 });
    await docker.ok(['commit', '-c', 'EXPOSE 8080', 'reaper', reaperImage], { timeoutMs: 120_000 });
    await docker.ok(['rm', 'reaper']);
    await writeFile(join(folder, 'file.txt'), 'a file\n');
    const said = await client(berth, process.execPath, [here('testcontainers-story.ts'), join(folder, 'file.txt')], {
      // A lock of its own.
      TMPDIR: folder,
      RYUK_CONTAINER_IMAGE: reaperImage,
      TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT: '1s',
    });
    const { left, ...found } = JSON.parse(said) as { left: [string, string] } & Record<string, unknown>;
    assert.deepEqual(found, {
      page: 'a page\n',
      file: 'a file\n',
      exec: ['blue\n100\n', 3],
      labels: 'web',
      networks: true,
      alias: 'a page\n',
      copiedOut: true,
      copiedIn: 'later',
      restarted: 0,
      logs: 'all done',
      waitFails: found['waitFails'],
    });
    assert.match(String(found['waitFails']), /never said/);
    await until('what it left is removed', 90_000, async () => (await docker.ok(['ps', '-aq', '--filter', 'label=org.testcontainers'])) === '');
    assert.doesNotMatch(await docker.ok(['network', 'ls', '--format', '{{.Name}}']), new RegExp(left[1]));
  });
});
