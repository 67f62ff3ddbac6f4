import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Berth } from '../berth/index.ts';
import { type DockerCli, until } from '../oracle/index.ts';
import { words } from '../clients/words.ts';

const counting = `'i=0; while :; do i=$((i+1)); echo $i; [ $((i%50)) -ne 0 ] || sleep 0.1; done'`;

test('restarts, health, rotated logs and updates go on while the daemon is killed', { timeout: 480_000 }, async (t) => {
  await using berth = await Berth.open();
  const { docker } = berth;
  const run = (line: string) => docker.ok(words(line));
  const state = (name: string, format: string) => run(`inspect -f '${format}' ${name}`);

  await run(`run -d --name counter --restart unless-stopped --log-opt max-size=20k --log-opt max-file=3 busybox sh -c ${counting}`);
  await run(`run -d --name phoenix --restart always busybox sh -c 'echo up; sleep 0.3; exit 3'`);
  await run(
    `run -d --name well --health-cmd 'test -e /tmp/ok' --health-interval 1s --health-timeout 20s --health-retries 1 busybox sh -c 'touch /tmp/ok; sleep 100000'`,
  );
  for (const name of ['stopped', 'lost']) await run(`run -d --name ${name} --restart unless-stopped busybox sleep 100000`);
  await run('stop -t 0 stopped');
  await until('the healthy one is healthy', 40_000, async () => (await state('well', '{{.State.Health.Status}}')) === 'healthy');
  await until('the phoenix rose', 40_000, async () => Number(await state('phoenix', '{{.RestartCount}}')) >= 2);

  await t.test('update: inside the machine, and what it has no room for', async () => {
    await run('run -d --name limited busybox sleep 100000');
    await run('update -m 96m --memory-swap 192m --pids-limit 40 limited');
    assert.equal(await run('exec limited cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'), `${96 << 20}\n40`);
    const refused = await docker.run(words('update -m 4g --memory-swap 8g limited'));
    assert.match(refused.stderr, /Cannot update container .*: its virtual machine has 1024 MiB, with room for a limit of \d+ MiB.*stop the container/);
    assert.equal(await state('limited', '{{.HostConfig.Memory}}'), String(96 << 20));
  });

  await t.test('top: what the guest reports', async () => {
    const top = await run('top lost -o pid,ppid,user,ni,nlwp,stat,comm,args');
    const [, ...rows] = top.split('\n').map((line) => line.trim().split(/\s+/));
    assert.deepEqual(
      rows.map((cells) => [cells[0], cells[1], cells[2], cells[3], cells[4], cells.slice(6).join(' ')]),
      [['1', '0', 'root', '0', '1', 'sleep sleep 100000']],
    );
  });

  let lines = await assertRotated(docker);
  for (let round = 0; round < 2; round += 1) {
    const count = Number(await state('phoenix', '{{.RestartCount}}'));
    const [startedAt, lostPid] = [await state('counter', '{{.State.StartedAt}}'), Number(await state('lost', '{{.State.Pid}}'))];
    await berth.kill();
    if (round === 1) process.kill(lostPid, 'SIGKILL');
    await berth.start();
    assert.equal(await state('counter', '{{.State.StartedAt}}'), startedAt);
    assert.equal(await state('well', '{{.State.Health.Status}}'), 'healthy', 'the next daemon goes on with what the last one knew');
    assert.equal(await state('stopped', '{{.State.Status}}'), 'exited');
    await until('the lost one runs again', 40_000, async () => (await state('lost', '{{.State.Status}}')) === 'running');
    if (round > 0) await until('the phoenix rises', 60_000, async () => Number(await state('phoenix', '{{.RestartCount}}')) > count);
    const now = await assertRotated(docker);
    assert.ok(now > lines, `it counts on: ${lines}, ${now}`);
    lines = now;
  }

  await run('exec well rm /tmp/ok');
  await until('it is noticed', 40_000, async () => (await state('well', '{{.State.Health.Status}}')) === 'unhealthy');
  await run('stop -t 0 phoenix');
  assert.match(await state('phoenix', '{{.State.Status}}'), /^exited$/);
});

/** What is left of the counter's log has no gap, and is what was written last. Gives the last number. */
async function assertRotated(docker: DockerCli): Promise<number> {
  const numbers = (await docker.ok(['logs', 'counter'])).split('\n').map(Number);
  numbers.forEach((number, index) => assert.equal(number, (numbers[0] ?? 0) + index));
  return numbers.at(-1) ?? 0;
}
