import assert from 'node:assert/strict';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Berth } from '../berth/index.ts';
import { until } from '../oracle/index.ts';

/** Overwrites some bytes in the middle; the size stays. */
async function damage(path: string): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path, 'r+');
  try {
    await file.write(Buffer.from('damaged'), 0, 7, Math.floor(size / 2));
  } finally {
    await file.close();
  }
}

test('damaged template files are noticed at the start and made again', { timeout: 560_000 }, async (t) => {
  await using berth = await Berth.open();
  const { docker } = berth;
  assert.equal(await docker.ok(['run', '--rm', 'busybox', 'echo', 'before']), 'before');
  const files = async () => {
    const folder = join(berth.stateDirectory, 'microvm/templates');
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  };
  // What is still being made has a name that begins with a dot.
  const names = await until('the template is made', 60_000, async () => {
    const found = await files();
    return found.length >= 3 && !found.some((name) => name.includes('/.new-')) && found;
  });
  t.diagnostic(`files: ${names.map((name) => name.slice(berth.stateDirectory.length)).join(' ')}`);
  for (const name of names) {
    await berth.terminate();
    await damage(name);
    await berth.start(120_000);
    assert.equal(await docker.ok(['run', '--rm', 'busybox', 'echo', 'after'], { timeoutMs: 90_000 }), 'after', `with ${name} damaged`);
  }
});
