import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { Berth } from '../berth/index.ts';
import { median, quantile } from '../../bench/statistics.ts';
import { until } from '../oracle/index.ts';
import { assertKept, startKeeper } from './keeper.ts';
import { removeAll } from './remove-all.ts';
import { assertAllGone, assertBackTo, settledShape } from './settled.ts';
import { storm } from './storm.ts';

const kills = Number(process.env['BERTH_CHAOS_KILLS'] ?? 50);
test(`the daemon is killed ${kills} times in a storm of runs, execs and removals`, { timeout: 840_000 }, async (t) => {
  await using berth = await Berth.open();
  const { docker } = berth;
  await docker.ok(['run', '--rm', 'busybox', 'true']);
  const before = await settledShape(berth);
  const keepers = [await startKeeper(docker, 'keeper-1'), await startKeeper(docker, 'keeper-2')];
  await docker.ok(['run', '-d', '--name', 'target', 'busybox', 'sleep', '100000']);

  const end = new AbortController();
  let killed = 0;
  const count = { done: 0, interrupted: 0 };
  const storming = storm(docker, count, { workers: 2, target: 'target', kills: () => killed, signal: end.signal });
  storming.catch(() => undefined);
  const starts: number[] = [];
  const enders: { name: string; code: number }[] = [];
  try {
    for (let round = 0; round < kills; round++) {
      // Not only daemons that have just begun are killed: something has been done, or three seconds have passed.
      const done = count.done;
      await Promise.race([until('a command is done', 3_000, () => count.done > done).catch(() => undefined), storming]);
      // Deterministic, and spread over what a start, an exec and a removal take.
      await Promise.race([delay((round * 137) % 900), storming]);
      if (round % 10 === 5) {
        const ender = { name: `ender-${round}`, code: 40 + (round % 50) };
        await docker.ok(['run', '-d', '--name', ender.name, 'busybox', 'sh', '-c', `sleep 0.5; echo at the end; exit ${ender.code}`]);
        enders.push(ender);
        killed++;
        await berth.kill();
        await delay(1_000);
      } else {
        killed++;
        await berth.kill();
      }
      starts.push(await berth.start());
      const running = (await docker.ok(['ps', '--format', '{{.Names}}'])).split('\n');
      for (const name of ['keeper-1', 'keeper-2', 'target'])
        assert.ok(running.includes(name), `after kill ${round + 1} ${name} is not running, only ${running.join(' ')}`);
      if (round % 10 === 0) for (const keeper of keepers) await assertKept(docker, keeper);
    }
  } finally {
    end.abort();
  }
  await storming;
  t.diagnostic(
    `${killed} kills, ready again after median ${median(starts).toFixed(0)} ms, p95 ${quantile(starts, 0.95).toFixed(0)} ms; ${count.done} commands done, ${count.interrupted} interrupted`,
  );
  assert.equal(killed, kills);
  for (const keeper of keepers) t.diagnostic(`${keeper.name} wrote ${await assertKept(docker, keeper)} lines`);
  for (const { name, code } of enders) {
    assert.equal(await docker.ok(['wait', name]), String(code), `exit code of ${name}`);
    assert.equal(await docker.ok(['logs', name]), 'at the end', `log of ${name}`);
  }
  await removeAll(docker);
  await docker.ok(['run', '--rm', 'busybox', 'true']);
  await assertBackTo(berth, before);
  await berth.terminate();
  await assertAllGone(berth);
});
