import assert from 'node:assert/strict';
import { readdirSync, readFileSync, truncateSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isFault } from '@berth/kit';
import { Recorder, Trial } from '@berth/runtime/conformance';
import { findProcesses, processPssBytes } from '@berth/sys';
import { sparseChecksum } from './template/checksum.ts';
import { World } from './testing/world.ts';

/** Clones at once; `BERTH_CLONES=200` for the long run. */
const CLONES = Number(process.env['BERTH_CLONES'] ?? 20);
const LIMIT_MS = 120_000 + CLONES * 3_000;

let world: World;
let trial: Trial;

before(async () => {
  world = await World.open();
  trial = new Trial({ name: 'clones', cannot: [], subject: () => ({ runtime: world.runtime, rootfs: world.rootfs, reopen: () => world.reopen() }) });
});

after(async () => {
  await trial.clean();
  await world[Symbol.asyncDispose]();
});

/** A daemon whose clones are made this way, with one to be had at once. */
async function cloning(way: 'forked' | 'restored'): Promise<void> {
  await world.reopen({ forks: way === 'forked' });
  world.runtime.warm({ rootfs: world.rootfs });
  await world.runtime.warmed();
}

const templates = () => readdirSync(world.templates).filter((name) => !name.startsWith('.'));

async function sums(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of templates()) {
    for (const file of ['ram', 'state']) found.set(`${name}/${file}`, await sparseChecksum(join(world.templates, name, file)));
  }
  return found;
}

for (const way of ['restored', 'forked'] as const)
  test(`${CLONES} clones at once, ${way}, are all different, and their template stays as it was`, { timeout: LIMIT_MS }, async () => {
    await cloning(way);
    const before = await sums();
    const script = [
      'cat /proc/sys/kernel/random/boot_id',
      'cat /proc/sys/kernel/random/uuid',
      'head -c 16 /dev/urandom | od -An -tx1 | tr -d " "',
      'cat /sys/class/net/eth0/address',
      'ip -o -4 addr show eth0 | tr -s " " | cut -d " " -f 4',
      'date +%s',
      // Memory that is given back to the host must never be punched out of the template.
      'dd if=/dev/zero of=/dev/shm/x bs=1M count=12 2> /dev/null && rm /dev/shm/x',
    ].join('; ');
    const outputs = await Promise.all(
      Array.from({ length: CLONES }, async (_, index) => {
        const spec = trial.spec(['sh', '-c', script], { limits: {}, networks: [world.nic(1, 2 + index)] });
        const { container, recorder } = await trial.start(spec);
        const { exitCode, error } = await container.exited;
        assert.deepEqual({ exitCode, error }, { exitCode: 0, error: undefined }, recorder.text());
        await container.destroy();
        return recorder.text('stdout').trim().split('\n');
      }),
    );
    for (const [line, what] of ['boot id', 'uuid', 'randomness', 'MAC', 'address'].entries()) {
      const values = new Set(outputs.map((output) => output[line]));
      assert.equal(values.size, CLONES, `${what}: ${[...values].join(' ')}`);
      assert.ok(![...values].includes(undefined), what);
    }
    for (const output of outputs) assert.ok(Math.abs(Number(output[5]) - Date.now() / 1000) < LIMIT_MS / 1000 && Number(output[5]) > 1.7e9, output[5]);
    assert.deepEqual(await sums(), before);
  });

test('memory that a guest frees goes back to the host, and the template keeps it', { timeout: LIMIT_MS }, async () => {
  const before = await sums();
  const script = 'dd if=/dev/zero of=/dev/shm/x bs=1M count=50 2> /dev/null; echo full; read x; rm /dev/shm/x; echo empty; read x';
  const spec = trial.spec(['sh', '-c', script], { limits: {}, shmBytes: 256 << 20, process: { stdin: true } });
  const { container, recorder } = await trial.start(spec);
  await recorder.until('full');
  const full = processPssBytes(container.pid);
  await container.writeStdin(Buffer.from('\n'));
  await recorder.until('empty');
  const until = performance.now() + 30_000;
  while (processPssBytes(container.pid) > full - (40 << 20) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(processPssBytes(container.pid) <= full - (40 << 20), `${full} before, ${processPssBytes(container.pid)} after`);
  await container.destroy();
  assert.deepEqual(await sums(), before);
});

test('a machine that dies is an exit with a sentence, and what was synced is there at the next start', { timeout: LIMIT_MS }, async () => {
  const spec = trial.spec(['sh', '-c', 'cat /kept 2> /dev/null; echo precious > /kept; sync; echo synced; sleep 1000']);
  const { container, recorder } = await trial.start(spec);
  await recorder.until('synced');
  process.kill(container.pid, 'SIGKILL');
  const status = await container.exited;
  assert.equal(status.exitCode, 137);
  assert.match(status.error ?? '', /virtual machine ended unexpectedly/);
  await container.destroy();
  const again = await trial.start(spec);
  await again.recorder.until('precious');
  await again.container.destroy();
});

test('a damaged template is found out when the daemon starts, and made again', { timeout: LIMIT_MS }, async () => {
  for (const name of templates()) {
    await using file = await open(join(world.templates, name, 'ram'), 'r+');
    await file.write(Buffer.from('damage'), 0, 6, 40 << 20);
  }
  await world.reopen();
  assert.ok(
    world.log.some((line) => /^error: template .* is damaged: its memory has changed/.test(line)),
    world.log.join('\n'),
  );
  assert.equal((await trial.run(['echo', 'well'])).stdout, 'well\n');
});

test('a template damaged under a running daemon is found out when a clone of it fails, and made again', { timeout: LIMIT_MS }, async () => {
  await cloning('restored');
  for (const name of templates()) truncateSync(join(world.templates, name, 'state'), 100);
  // More than the pool has ready.
  for (let i = 0; i < 3; i++) assert.equal((await trial.run(['echo', `${i}`], { limits: {} })).stdout, `${i}\n`);
  await world.runtime.warmed();
  assert.ok(world.log.some((line) => /its device state has changed; it will be made again/.test(line)));
});

test('a forked machine has a process, a name and a sandbox of its own, and goes on without what it was forked from', { timeout: LIMIT_MS }, async () => {
  await cloning('forked');
  const machines = () => findProcesses((args) => args[1] === '-name' && args.some((arg) => arg.includes(world.directory)));
  const filters = (pid: number) => Number(/^Seccomp_filters:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  const parentOf = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
  const spec = trial.spec(['sh', '-c', 'echo begun; read x; echo "got $x"; read x'], { limits: {}, process: { stdin: true } });
  const { container, recorder } = await trial.start(spec);
  await recorder.until('begun');
  const live = machines().find((pid) => pid === parentOf(container.pid));
  assert.ok(live !== undefined, `the parent of ${container.pid} is none of ${machines().join(' ')}`);
  assert.equal(filters(container.pid), filters(live) + 1);
  assert.equal(new Set(machines().map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[2])).size, machines().length);

  process.kill(live, 'SIGKILL');
  await container.writeStdin(Buffer.from('word\n'));
  await recorder.until('got word');
  assert.equal((await trial.run(['echo', 'without a live template'], { limits: {} })).stdout, 'without a live template\n');
  await world.runtime.warmed();
  // Those that were waiting are still children of the first.
  let forkedAgain = false;
  for (let i = 0; i < 12 && !forkedAgain; i++) {
    const next = await trial.start(trial.spec(['sleep', '1000'], { limits: {} }));
    forkedAgain = machines().includes(parentOf(next.container.pid));
    await next.container.destroy();
  }
  assert.ok(forkedAgain, 'there is a live template again');
});

test('more networks than the machine has devices for are refused, and nothing is left of the start', { timeout: LIMIT_MS }, async () => {
  const networks = [1, 2, 3, 4, 5].map((n) => ({ ...world.nic(1, 100 + n), networkId: `n${n}`, name: `eth${n - 1}` }));
  const spec = trial.spec(['true'], { networks });
  await assert.rejects(trial.start(spec), (error) => isFault(error, 'too-many-networks'));
  assert.ok(!(await world.runtime.list()).includes(spec.id));
});

test('without memory for another machine a start is refused, and the others run on', { timeout: LIMIT_MS }, async () => {
  const running = trial.spec(['sleep', '1000']);
  await trial.start(running);
  await world.reopen({ pool: { reserveBytes: 2 ** 50 } });
  const adopted = await world.runtime.adopt(running.id, new Recorder());
  assert.ok(adopted !== undefined);
  const refused = trial.spec(['true']);
  await assert.rejects(
    trial.start(refused),
    (error) => isFault(error, 'memory-exhausted') && /not enough memory for another virtual machine/.test(error.message),
  );
  assert.ok(!(await world.runtime.list()).includes(refused.id));
  assert.equal((await adopted.processes()).length, 1);
  await adopted.destroy();
  await world.reopen();
});
