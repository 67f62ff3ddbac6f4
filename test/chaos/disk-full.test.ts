import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@berth/sys';
import { Berth } from '../berth/index.ts';
import { assertKept, startKeeper } from './keeper.ts';

/** A small ext4 of its own, so that only this instance's disk is full. */
async function smallDisk(megabytes: number): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'bt-disk-'));
  const image = join(directory, 'image');
  const path = join(directory, 'state');
  await mkdir(path);
  const file = await open(image, 'w');
  await file.truncate(megabytes << 20);
  await file.close();
  await run('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  await run('mount', ['-o', 'loop', image, path]);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run('umount', [path], { accept: [0, 1, 32] });
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Writes until there is no room at all. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const size of [1 << 20, 4096, 512]) {
      for (;;) {
        try {
          if ((await file.write(Buffer.alloc(size, 1))).bytesWritten < size) break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          break;
        }
      }
    }
  } finally {
    await file.close();
  }
}

test('a full disk: a clear error, the others untouched, and well again when there is room', { timeout: 560_000 }, async (t) => {
  await using disk = await smallDisk(1536);
  await using berth = await Berth.open({ stateDirectory: disk.path });
  const { docker } = berth;
  await docker.ok(['run', '--rm', 'busybox', 'true']);
  const keeper = await startKeeper(docker, 'keeper');
  await docker.ok(['run', '-d', '--name', 'other', 'busybox', 'sleep', '100000']);

  const ballast = join(disk.path, 'ballast');
  await fill(ballast);
  const refused = await docker.run(['run', '--rm', 'busybox', 'echo', 'hello'], { timeoutMs: 60_000 });
  t.diagnostic(`with a full disk docker run ends with ${refused.exitCode}: ${refused.stderr.trim()}`);
  if (refused.exitCode !== 0) {
    assert.equal(refused.exitCode, 125);
    assert.match(refused.stderr, /no space|disk is full|full disk/i);
  } else assert.equal(refused.stdout, 'hello\n');
  assert.equal(await docker.ok(['exec', 'other', 'echo', 'alive']), 'alive');
  const image = await docker.run(['import', '-'], { input: Buffer.alloc(20 << 20), timeoutMs: 60_000 });
  assert.notEqual(image.exitCode, 0);
  assert.ok(!berth.daemonEnded, `the daemon lives: ${berth.output().slice(-2000)}`);

  // A daemon that dies now comes back and takes up what runs, even when its template has to be made anew and cannot be.
  await berth.kill();
  await berth.start();
  assert.equal(await docker.ok(['exec', 'other', 'echo', 'alive']), 'alive');
  await berth.kill();
  const templates = join(disk.path, 'microvm', 'templates');
  for (const name of await readdir(templates)) await truncate(join(templates, name, 'state'), 100);
  await berth.start();
  assert.equal(await docker.ok(['exec', 'other', 'echo', 'alive']), 'alive');
  const without = await docker.run(['run', '--rm', 'busybox', 'echo', 'hello'], { timeoutMs: 60_000 });
  assert.equal(without.exitCode, 125);
  assert.match(without.stderr, /no space/i);
  await rm(ballast);
  assert.equal(await docker.ok(['run', '--rm', 'busybox', 'echo', 'room again']), 'room again');
  assert.equal(await docker.ok(['exec', 'other', 'echo', 'alive']), 'alive');
  t.diagnostic(`the keeper wrote ${await assertKept(docker, keeper)} lines`);
  const names = (await docker.ok(['ps', '-a', '--format', '{{.Names}}'])).split('\n').sort();
  assert.deepEqual(names, ['keeper', 'other']);
  await writeFile(join(disk.path, 'writable'), '');
});
