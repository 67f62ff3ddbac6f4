import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { test } from 'node:test';
import { Berth } from '../berth/index.ts';
import { assertKept, startKeeper } from './keeper.ts';

test('no memory for another virtual machine: a clear error, the others untouched', { timeout: 400_000 }, async (t) => {
  const extraArgs: string[] = [];
  await using berth = await Berth.open({ extraArgs });
  const { docker } = berth;
  const keeper = await startKeeper(docker, 'keeper');

  // From now on the daemon must leave all of the host's memory free, so there is none for a machine.
  extraArgs.push('--reserve-mib', String(Math.ceil(totalmem() / 2 ** 20)));
  await berth.terminate();
  await berth.start();
  const refused = await docker.run(['run', '--name', 'refused', 'busybox', 'true']);
  t.diagnostic(`docker run ends with ${refused.exitCode}: ${refused.stderr.trim()}`);
  assert.equal(refused.exitCode, 125);
  assert.match(refused.stderr, /memory/i);
  assert.equal(await docker.ok(['inspect', '-f', '{{.State.Status}}', 'refused']), 'created');
  assert.equal(await docker.ok(['exec', 'keeper', 'echo', 'alive']), 'alive');
  await assertKept(docker, keeper);

  extraArgs.length = 0;
  await berth.terminate();
  await berth.start();
  await docker.ok(['start', '-a', 'refused']);
  await assertKept(docker, keeper);
});
