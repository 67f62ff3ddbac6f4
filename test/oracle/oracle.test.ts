import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { run } from '@berth/sys';
import { Oracle } from './index.ts';

test('a dockerd of our own runs a container and leaves nothing behind', { timeout: 240_000 }, async () => {
  const oracle = await Oracle.open();
  const pids = oracle.pids();
  try {
    assert.equal(await oracle.docker.ok(['run', '--rm', 'busybox', 'echo', 'hello']), 'hello');
    assert.equal((await oracle.docker.run(['run', '--rm', 'busybox', 'sh', '-c', 'exit 7'])).exitCode, 7);
    await oracle.docker.ok(['run', '-d', 'busybox', 'sleep', '1000']);
    assert.ok(pids.length >= 2);
  } finally {
    await oracle[Symbol.asyncDispose]();
  }
  for (const pid of pids) assert.ok(!existsSync(`/proc/${pid}`), `process ${pid} is left`);
  assert.ok(!existsSync(oracle.directory));
  assert.ok(!(await run('ip', ['netns', 'list'])).stdout.includes(oracle.netns.name));
  assert.ok(!(await run('mount', [])).stdout.includes(oracle.directory));
  for (const controller of readdirSync('/sys/fs/cgroup')) assert.ok(!existsSync(`/sys/fs/cgroup/${controller}/${basename(oracle.directory)}`));
});
