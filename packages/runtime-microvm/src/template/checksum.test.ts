import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { copySparse } from '@berth/sys';
import { sparseChecksum } from './checksum.ts';

const directory = mkdtempSync(join(tmpdir(), 'bmv-sum-'));
after(() => rmSync(directory, { recursive: true }));

async function sparse(name: string, writes: readonly (readonly [number, Buffer])[]): Promise<string> {
  const path = join(directory, name);
  writeFileSync(path, '');
  truncateSync(path, 64 << 20);
  await using file = await open(path, 'r+');
  for (const [at, data] of writes) await file.write(data, 0, data.length, at);
  return path;
}

const data = Buffer.from('guest memory');

test('holes and zeros are the same, and a copy is as good', async () => {
  const holes = await sparse('holes', [[5 << 20, data]]);
  const zeros = await sparse('zeros', [
    [5 << 20, data],
    [20 << 20, Buffer.alloc(3 << 20)],
  ]);
  await copySparse(zeros, join(directory, 'copy'));
  const sum = await sparseChecksum(holes);
  assert.equal(await sparseChecksum(zeros), sum);
  assert.equal(await sparseChecksum(join(directory, 'copy')), sum);
});

test('one changed byte, one moved block and another length are seen', async () => {
  const sum = await sparseChecksum(await sparse('one', [[5 << 20, data]]));
  assert.notEqual(await sparseChecksum(await sparse('byte', [[5 << 20, Buffer.from('guest memorz')]])), sum);
  assert.notEqual(await sparseChecksum(await sparse('place', [[6 << 20, data]])), sum);
  const longer = await sparse('length', [[5 << 20, data]]);
  truncateSync(longer, 65 << 20);
  assert.notEqual(await sparseChecksum(longer), sum);
});
