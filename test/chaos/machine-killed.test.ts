import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Berth } from '../berth/index.ts';
import { until } from '../oracle/index.ts';
import { assertKept, startKeeper } from './keeper.ts';
import { removeAll } from './remove-all.ts';
import { assertBackTo, settledShape } from './settled.ts';

test('a virtual machine that dies is one container that ended, with the reason', { timeout: 400_000 }, async () => {
  await using berth = await Berth.open();
  const { docker } = berth;
  await docker.ok(['run', '--rm', 'busybox', 'true']);
  const before = await settledShape(berth);
  const keeper = await startKeeper(docker, 'keeper');
  await docker.ok(['run', '-d', '--name', 'victim', 'busybox', 'sh', '-c', 'echo written >/file; sync; echo started; sleep 100000']);
  await until('it has started', 20_000, async () => (await docker.ok(['logs', 'victim'])) === 'started');
  const waiting = docker.ok(['wait', 'victim']);

  process.kill(Number(await docker.ok(['inspect', '-f', '{{.State.Pid}}', 'victim'])), 'SIGKILL');
  assert.equal(await waiting, '137');
  const [status, error] = (await docker.ok(['inspect', '-f', '{{.State.Status}}|{{.State.Error}}', 'victim'])).split('|');
  assert.equal(status, 'exited');
  assert.notEqual(error, '', 'State.Error says that the machine died');
  assert.equal(await docker.ok(['logs', 'victim']), 'started');
  await assertKept(docker, keeper);

  await docker.ok(['start', 'victim']);
  assert.equal(await docker.ok(['inspect', '-f', '{{.State.Status}}', 'victim']), 'running');

  // One of the pool: nobody notices.
  const taken = new Set((await Promise.all(['keeper', 'victim'].map((name) => docker.ok(['inspect', '-f', '{{.State.Pid}}', name])))).map(Number));
  for (const machine of berth.machines()) if (!taken.has(machine.pid)) process.kill(machine.pid, 'SIGKILL');
  assert.equal(await docker.ok(['run', '--rm', 'busybox', 'echo', 'fine']), 'fine');
  await assertKept(docker, keeper);
  await removeAll(docker);
  await assertBackTo(berth, before);
});
