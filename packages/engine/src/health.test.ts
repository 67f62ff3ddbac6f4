import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeRuntime } from '@berth/runtime/fake';
import { afterProbe, probeDelayMs, startingHealth, type HealthCheck, type HealthState } from './health-state.ts';
import { listen, ManualClock, openTestEngine, type TestEngine } from './stand-ins/index.ts';

const limit = { timeout: 30_000 };
const check = (script: string, changes: Partial<HealthCheck> = {}): HealthCheck => ({
  args: ['sh', '-c', script],
  intervalMs: 1000,
  timeoutMs: 30_000,
  startPeriodMs: 0,
  startIntervalMs: 5000,
  retries: 3,
  ...changes,
});

const result = (exitCode: number, startedAtMs = 0) => ({ startedAtMs, endedAtMs: startedAtMs, exitCode, output: '' });
const after = (codes: readonly number[], changes: Partial<HealthCheck> = {}, at = 0) =>
  codes.reduce<HealthState>((health, code) => afterProbe(health, result(code, at), check('', changes), 0), startingHealth(undefined));

test('what probes make of a container', () => {
  assert.deepEqual([after([]).status, after([0]).status, after([1, 1]).status, after([1, 1, -1]).status], ['starting', 'healthy', 'starting', 'unhealthy']);
  assert.equal(after([0, 1, 1]).status, 'healthy');
  assert.deepEqual([after([0, 1, 1, 1]).status, after([0, 1, 1, 1, 1]).failingStreak], ['unhealthy', 4]);
  assert.deepEqual([after([1, 1, 1, 0]).status, after([1, 1, 1, 0]).failingStreak], ['healthy', 0]);
  assert.equal(after([1, 1, 1], { startPeriodMs: 100 }, 99).failingStreak, 0, 'failures of the start period are excused');
  assert.equal(after([1, 1, 1], { startPeriodMs: 100 }, 100).status, 'unhealthy');
  assert.equal(after([0, 1], { startPeriodMs: 100 }, 50).failingStreak, 1, 'but not once it was healthy');
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 20 }), (codes) => {
      const { log, failingStreak, status } = after(codes);
      assert.deepEqual(
        log.map(({ exitCode }) => exitCode),
        codes.slice(-5),
      );
      assert.equal(status === 'unhealthy', failingStreak >= 3);
    }),
  );
});

test('when the next probe is due', () => {
  const eager = check('', { startPeriodMs: 10_000, startIntervalMs: 100 });
  assert.equal(probeDelayMs(after([]), eager, 500), 100);
  assert.equal(probeDelayMs(after([0]), eager, 500), 1000);
  assert.equal(probeDelayMs(after([]), eager, 10_000), 1000);
  assert.equal(probeDelayMs(after([]), check(''), 0), 1000);
});

async function until(what: string, holds: () => boolean): Promise<void> {
  const last = performance.now() + 15_000;
  while (!holds()) {
    assert.ok(performance.now() < last, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Lets the next probe run to its end. */
async function probeOnce(t: TestEngine, clock: ManualClock, id: string, ms = 1000): Promise<void> {
  await until('a probe is due', () => clock.sleeping.includes(ms));
  const before = t.engine.container(id).health?.log.at(-1)?.startedAtMs;
  clock.advance(ms);
  await until('it has ended', () => t.engine.container(id).health?.log.at(-1)?.startedAtMs !== before);
}

test('a container is probed; its state, its results and events tell', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const file = join(t.directory, 'ok');
  const script = `echo probing; test -e ${file}`;
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { health: check(script, { retries: 2 }) }));
  const health = () => t.engine.container(id).health;
  assert.equal(health(), undefined);
  await t.engine.startContainer(id);
  const events = listen(t.engine);
  assert.deepEqual(health(), { status: 'starting', failingStreak: 0, log: [] });
  await probeOnce(t, clock, id);
  assert.deepEqual([health()?.status, health()?.failingStreak, health()?.log[0]?.exitCode, health()?.log[0]?.output], ['starting', 1, 1, 'probing\n']);
  await probeOnce(t, clock, id);
  assert.equal(health()?.status, 'unhealthy');
  writeFileSync(file, '');
  await probeOnce(t, clock, id);
  assert.deepEqual([health()?.status, health()?.failingStreak, health()?.log.length], ['healthy', 0, 3]);
  const three = Array.from({ length: 3 }, () => [`container exec_create: sh -c ${script}`, `container exec_start: sh -c ${script}`, 'container exec_die']);
  assert.deepEqual(
    (await events.stop()).filter((event) => !event.includes('health_status')),
    three.flat(),
  );

  await t.engine.pauseContainer(id);
  assert.deepEqual(clock.sleeping, [], 'what stands still is not probed');
  await t.engine.unpauseContainer(id);
  await probeOnce(t, clock, id);
  assert.equal(health()?.status, 'healthy');
  await t.engine.stopContainer(id, { timeoutSeconds: 0 });
  assert.deepEqual([health()?.status, clock.sleeping], ['unhealthy', []]);
  await t.engine.startContainer(id);
  assert.deepEqual([health()?.status, health()?.log.length], ['starting', 4]);
});

test('a probe that takes too long is killed', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { health: check('echo slow; exec sleep 987', { timeoutMs: 500, retries: 1 }) }));
  await t.engine.startContainer(id);
  await until('a probe is due', () => clock.sleeping.includes(1000));
  clock.advance(1000);
  await until('it runs', () => t.engine.container(id).execIds.length === 1);
  await until('its output is there', () => clock.sleeping.includes(500));
  await new Promise((resolve) => setTimeout(resolve, 200));
  clock.advance(500);
  await until('it was given up', () => t.engine.container(id).health?.status === 'unhealthy');
  const [first] = t.engine.container(id).health?.log ?? [];
  assert.deepEqual([first?.exitCode, first?.output], [-1, 'Health check exceeded timeout (500ms): slow\n']);
  assert.ok(!(await t.engine.processes(id)).some(({ command }) => command.includes('987')));
});

test('long output is cut, and a command that is not there is a failure', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const long = await t.engine.createContainer(t.container(['sleep', '1000'], { health: check('head -c 100000 /dev/zero | tr "\\0" x') }));
  await t.engine.startContainer(long.id);
  await probeOnce(t, clock, long.id);
  const [probed] = t.engine.container(long.id).health?.log ?? [];
  assert.deepEqual([probed?.exitCode, probed?.output], [0, `${'x'.repeat(4096)}...`]);
  await t.engine.killContainer(long.id, 9);
  const missing = await t.engine.createContainer(t.container(['sleep', '1000'], { health: { ...check(''), args: ['/nosuch'] } }));
  await t.engine.startContainer(missing.id);
  await probeOnce(t, clock, missing.id);
  const [failed] = t.engine.container(missing.id).health?.log ?? [];
  assert.equal(failed?.exitCode, -1);
  assert.match(failed?.output ?? '', /no such file or directory/);
});

test('the next daemon goes on probing where the last one stopped', limit, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-health-'));
  context.after(async () => {
    await (await FakeRuntime.open({ directory: join(directory, 'fake') })).end();
    rmSync(directory, { recursive: true });
  });
  const clock = new ManualClock();
  const first = await openTestEngine(directory, { clock });
  const { id } = await first.engine.createContainer(first.container(['sleep', '1000'], { health: check('true') }));
  await first.engine.startContainer(id);
  await probeOnce(first, clock, id);
  await first.engine[Symbol.asyncDispose]();
  assert.deepEqual(clock.sleeping, []);
  await first.runtime[Symbol.asyncDispose]();
  await first.store[Symbol.asyncDispose]();

  await using second = await openTestEngine(directory, { clock });
  assert.equal(second.engine.container(id).health?.status, 'healthy');
  await probeOnce(second, clock, id);
  assert.equal(second.engine.container(id).health?.log.length, 2);
});
