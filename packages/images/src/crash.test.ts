import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import { ImageStore } from './image-store.ts';
import { RootfsTar } from './local/rootfs-tar.ts';

const KILLS = 20;

/** Noise that doesn't compress, the same for the same seed. */
function noise(seed: number, bytes: number): Buffer {
  const pieces: Buffer[] = [];
  for (let index = 0; index * 32 < bytes; index++) pieces.push(createHash('sha256').update(`${seed} ${index}`).digest());
  return Buffer.concat(pieces);
}

async function writeArchives(directory: string): Promise<string[]> {
  await using store = await ImageStore.open({ directory: join(directory, 'source') });
  const paths: string[] = [];
  for (let number = 0; number < 3; number++) {
    const tar = new RootfsTar().directory('d');
    for (let index = 0; index < 10; index++) tar.file(`d/${index}`, noise(number * 100 + index, 30_000));
    await store.import(Readable.from([tar.end()]), { reference: `crash:${number}`, changes: [] });
    const path = join(directory, `${number}.tar`);
    await writeFile(path, await buffer(store.save([`crash:${number}`])));
    paths.push(path);
  }
  return paths;
}

/** Everything the rows speak of is there and right; nothing else is. */
async function assertWhole(directory: string): Promise<number> {
  await using store = await ImageStore.open({ directory });
  assert.deepEqual(await readdir(join(directory, 'incoming')), []);
  const wanted = new Set<string>();
  for (const image of store.list()) {
    for (const { path } of store.rootfs(image).layers) {
      assert.ok((await stat(path)).size > 0);
      wanted.add(path.slice(-73, -9));
      await run('unsquashfs', ['-l', path]);
    }
    // Reading it back proves the kept tar: another store checks its digests.
    const archive = await buffer(store.save([image.id]));
    const check = await mkdtemp(join(tmpdir(), 'berth-check-'));
    try {
      await using other = await ImageStore.open({ directory: check });
      const [copy] = await other.load(Readable.from([archive]), { progress: () => undefined });
      assert.equal(copy?.id, image.id);
    } finally {
      await rm(check, { recursive: true });
    }
  }
  for (let round = 0; round < 500; round++) for (const image of store.leased(`round-${round}`)) wanted.add(image.layers[0]?.diffId.slice(7) ?? '');
  assert.deepEqual(new Set((await readdir(join(directory, 'squashfs'))).map((name) => name.slice(0, 64))), wanted);
  assert.deepEqual(await readdir(join(directory, 'layers')), [], 'nothing came compressed');
  return store.list().length;
}

test(`killed ${KILLS} times while loading and removing, a store is whole each time`, { timeout: 180_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-crash-'));
  try {
    const archives = await writeArchives(directory);
    const target = join(directory, 'target');
    const child = fileURLToPath(new URL('crash-child.ts', import.meta.url));
    for (let kill = 0; kill < KILLS; kill++) {
      const process_ = spawn(process.execPath, [child, target, ...archives], { stdio: ['ignore', 'pipe', 'inherit'] });
      const exited = once(process_, 'exit');
      // Each kill lands somewhere else: after so many finished steps, and a little into the next ones.
      const wanted = kill % 6;
      let lines = 0;
      const reached = new Promise<void>((resolve) => {
        process_.stdout.setEncoding('utf8').on('data', (text: string) => {
          lines += text.split('\n').length - 1;
          if (lines > wanted) resolve();
        });
      });
      await Promise.race([reached, exited]);
      await Promise.race([new Promise((resolve) => setTimeout(resolve, (kill * 37) % 150)), exited]);
      assert.equal(process_.exitCode, null, 'the child ended by itself');
      process_.kill('SIGKILL');
      await exited;
      await assertWhole(target);
    }
    await using store = await ImageStore.open({ directory: target });
    for (let round = 0; round < 500; round++) store.unlease(`round-${round}`);
    await store.prune({ danglingOnly: false, users: [] });
    for (const folder of ['layers', 'squashfs', 'incoming']) assert.deepEqual(await readdir(join(target, folder)), [], folder);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a full disk is said as such and leaves nothing', { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-full-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', directory]);
  try {
    const fits = new RootfsTar().file('small', noise(1, 200_000)).end();
    await using store = await ImageStore.open({ directory: join(directory, 'store') });
    await store.import(Readable.from([fits]), { reference: 'small:1', changes: [] });
    const usedBefore = (await run('du', ['-sb', join(directory, 'store', 'layers'), join(directory, 'store', 'squashfs')])).stdout;
    // Too large as a stream; too large in an archive; both fit.
    for (const bytes of [20_000_000, 14_000_000, 4_500_000, 3_600_000]) {
      const tar = new RootfsTar().file('large', noise(bytes, bytes)).end();
      const attempt =
        bytes === 3_600_000 || bytes === 14_000_000
          ? store.load(archiveOf(tar), { progress: () => undefined })
          : store.import(Readable.from([tar]), { changes: [], reference: 'large:1' });
      await attempt.then(
        () => assert.ok(bytes < 5_000_000, `${bytes} bytes can't have fitted`),
        (error: unknown) => assert.ok(isFault(error, 'disk-full') && error.message === 'no space left on device', String(error)),
      );
      await store.prune({ danglingOnly: false, users: [], matches: (image) => !image.tags.includes('small:1') });
      assert.deepEqual(await readdir(join(directory, 'store', 'incoming')), []);
      assert.equal((await run('du', ['-sb', join(directory, 'store', 'layers'), join(directory, 'store', 'squashfs')])).stdout, usedBefore);
    }
    assert.deepEqual(
      store.list().flatMap((image) => image.tags),
      ['small:1'],
    );
    assert.ok((await buffer(store.save(['small:1']))).length > 200_000);
  } finally {
    await run('umount', [directory]);
    await rm(directory, { recursive: true });
  }
});

function archiveOf(layer: Buffer): Readable {
  const diffId = createHash('sha256').update(layer).digest('hex');
  const configuration = JSON.stringify({ os: 'linux', rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] } });
  const manifest = JSON.stringify([{ Config: 'c.json', RepoTags: ['large:1'], Layers: ['l.tar'] }]);
  return Readable.from([new RootfsTar().file('c.json', configuration).file('l.tar', layer).file('manifest.json', manifest).end()]);
}
