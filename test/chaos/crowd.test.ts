import assert from 'node:assert/strict';
import { test } from 'node:test';
import Dockerode from 'dockerode';
import { Berth } from '../berth/index.ts';
import { until } from '../oracle/index.ts';
import { removeAll } from './remove-all.ts';
import { assertAllGone, assertBackTo, settledShape } from './settled.ts';

const count = Number(process.env['BERTH_CHAOS_CROWD'] ?? 200);

/** What must differ between any two clones of one template. */
const identity = [
  'cat /proc/sys/kernel/random/boot_id',
  'cat /proc/sys/kernel/random/uuid',
  'head -c 16 /dev/urandom | md5sum | cut -c 1-32',
  'hostname',
  'cat /sys/class/net/eth0/address',
  "ip -4 addr show dev eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'",
].join('; ');

/** The lines in a log as Docker frames it: eight bytes before each piece (stream, length). */
function linesOf(log: Buffer): string[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= log.length; at += 8 + log.readUInt32BE(at + 4)) pieces.push(log.subarray(at + 8, at + 8 + log.readUInt32BE(at + 4)));
  return Buffer.concat(pieces).toString().trim().split('\n');
}

test(`${count} containers asked for at once all run, and no two are alike`, { timeout: 840_000 }, async (t) => {
  await using berth = await Berth.open();
  const { docker } = berth;
  await docker.ok(['run', '--rm', 'busybox', 'true']);
  const before = await settledShape(berth);

  // Two hundred docker commands would be most of the crowd's work: one client asks for all at once.
  const client = new Dockerode({ socketPath: docker.socketPath, timeout: 600_000 });
  const begin = performance.now();
  const results = await Promise.allSettled(
    Array.from({ length: count }, async (_, index) => {
      const Cmd = ['sh', '-c', `${identity}; date +%s; sleep 100000`];
      const container = await client.createContainer({ name: `crowd-${index}`, Image: 'busybox', Cmd });
      await container.start();
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  const failed = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
  assert.equal(failed.length, 0, `${failed.length} did not start, the first: ${failed[0]}`);
  t.diagnostic(`${count} started in ${seconds.toFixed(1)} s`);
  let since = performance.now();
  const lap = (what: string) => {
    t.diagnostic(`${what} in ${((performance.now() - since) / 1000).toFixed(1)} s`);
    since = performance.now();
  };

  const running = (await docker.ok(['ps', '-q'])).split('\n');
  assert.equal(running.length, count);
  const seen = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const lines = await until(`crowd-${index} has told who it is`, 30_000, async () => {
      const log = linesOf(await client.getContainer(`crowd-${index}`).logs({ stdout: true }));
      return log.length === 7 && log;
    });
    for (const line of lines.slice(0, 6)) {
      assert.match(line, /\S/);
      assert.ok(!seen.has(line), `${line} is in crowd-${seen.get(line)} and crowd-${index}`);
      seen.set(line, index);
    }
    assert.ok(Math.abs(Number(lines[6]) * 1000 - Date.now()) < 300_000, `the clock of crowd-${index} says ${lines[6]}`);
  }
  lap('all had told who they are');
  await removeAll(docker);
  lap('all were removed');
  await docker.ok(['run', '--rm', 'busybox', 'true']);
  await assertBackTo(berth, before);
  lap('the instance was as before');
  await berth.terminate();
  await assertAllGone(berth);
});
