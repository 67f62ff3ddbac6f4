import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import { ScratchMaker } from './scratch.ts';

const directory = mkdtempSync(join(tmpdir(), 'bmv-disk-'));

before(() => run('mount', ['-t', 'tmpfs', '-o', 'size=80m', 'berth-test', directory]));

after(async () => {
  await run('umount', [directory]);
  rmSync(directory, { recursive: true });
});

test('a writable layer is large, whole, and nearly nothing on disk; a full disk is told', { timeout: 30_000 }, async () => {
  const maker = await ScratchMaker.open(directory, 2 ** 30);
  const path = join(directory, 'layer');
  await maker.make(path);
  assert.equal(statSync(path).size, 2 ** 30);
  assert.ok(statSync(path).blocks * 512 < 1 << 20);
  assert.equal(await maker.usedBytes(path), 0);
  await run('e2fsck', ['-fn', path]);

  writeFileSync(join(directory, 'filler'), Buffer.alloc(30 << 20));
  const another = join(directory, 'another');
  await assert.rejects(maker.make(another), (error) => isFault(error, 'disk-full') && error.message.includes(directory));
  assert.ok(!readdirSync(directory).includes('another'));
});
