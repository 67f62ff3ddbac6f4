import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ImageStore } from '../image-store.ts';
import { RootfsTar } from '../local/rootfs-tar.ts';
import { smallTar } from '../testing/archives.ts';
import { TestRegistry } from '../testing/registry-server.ts';

test('a daemon killed in the middle of a pull leaves no image, and the next one fetches only what is missing', { timeout: 60_000 }, async (context) => {
  await using registry = await TestRegistry.open();
  const directory = await mkdtemp(join(tmpdir(), 'berth-images-'));
  context.after(() => rm(directory, { recursive: true }));
  const large = new RootfsTar().file('large', randomBytes(4 << 20)).end();
  const { id, blobs } = registry.addImage('killed', 'latest', [smallTar('finished'), large]);
  const [small, slow] = blobs.map(({ digest }) => digest) as [string, string];
  const reference = `${registry.host}/killed`;
  const blob = registry.blobs.get(slow) as Buffer;
  // Half of the large layer, and then nothing more.
  registry.intercept = (request, response) => {
    if (!request.url?.endsWith(slow)) return false;
    response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, blob.length >> 1));
    return true;
  };
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('crash-child.ts', import.meta.url)), directory, reference],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  try {
    const waited = new Set([`Pull complete ${small.slice(7, 19)}`, `Downloading ${slow.slice(7, 19)}`]);
    for await (const line of createInterface(child.stdout)) {
      waited.delete(line);
      if (waited.size === 0) break;
    }
    assert.equal(waited.size, 0, 'it got that far');
  } finally {
    child.kill('SIGKILL');
    await ended;
  }

  const ranges: (string | undefined)[] = [];
  registry.intercept = (request) => {
    if (/blobs\/sha256:/.test(request.url ?? '') && !request.url?.endsWith(id)) ranges.push(`${request.url?.slice(-8)} ${request.headers.range}`);
    return false;
  };
  await using store = await ImageStore.open({ directory });
  assert.deepEqual(store.list(), []);
  assert.deepEqual(await readdir(join(directory, 'incoming')), []);
  const { images } = await store.registries.pull(reference, { all: false, progress: () => undefined });
  assert.equal(images[0]?.id, id);
  assert.equal(ranges.length, 1, 'the finished layer was not asked for again');
  assert.match(ranges[0] ?? '', new RegExp(`^${slow.slice(-8)} bytes=[1-9]\\d*-$`));
});
