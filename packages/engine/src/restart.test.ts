import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FakeRuntime } from '@berth/runtime/fake';
import type { NewContainer } from './port.ts';
import type { RestartPolicy } from './restart-policy.ts';
import { listen, ManualClock, openTestEngine, textOf, type TestEngine } from './stand-ins/index.ts';

const never = new AbortController().signal;
const limit = { timeout: 30_000 };
const always: RestartPolicy = { name: 'always', maximumRetries: 0 };

async function until(what: string, holds: () => boolean): Promise<void> {
  const last = performance.now() + 15_000;
  while (!holds()) {
    assert.ok(performance.now() < last, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function started(t: TestEngine, script: string, restart: RestartPolicy, changes: Partial<NewContainer> = {}): Promise<string> {
  const { id } = await t.engine.createContainer(t.container(['sh', '-c', script], { restart, ...changes }));
  await t.engine.startContainer(id);
  return id;
}

const phase = (t: TestEngine, id: string) => t.engine.container(id).state.phase;
const isWaiting = (t: TestEngine, clock: ManualClock, id: string) => () => phase(t, id) === 'restarting' && clock.sleeping.length > 0;

test('a container that fails is started again, later each time, and no more often than it may', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const events = listen(t.engine);
  const id = await started(t, 'echo run; exit 3', { name: 'on-failure', maximumRetries: 2 });
  await until('it waits', isWaiting(t, clock, id));
  assert.deepEqual(clock.sleeping, [100]);
  const { state, restartCount } = t.engine.container(id);
  assert.deepEqual([state.exitCode, state.pid, restartCount], [3, 0, 1]);
  clock.advance(99);
  assert.deepEqual(clock.sleeping, [1]);
  clock.advance(1);
  await until('it waits again', () => isWaiting(t, clock, id)() && t.engine.container(id).restartCount === 2);
  assert.deepEqual(clock.sleeping, [200]);
  const exit = t.engine.waitContainer(id, 'not-running', never);
  clock.advance(200);
  assert.deepEqual(await exit, { exitCode: 3 });
  await until('it has ended', () => phase(t, id) === 'exited');
  assert.equal(t.engine.container(id).restartCount, 2);
  const seen = (await events.stop()).filter((event) => event.startsWith('container'));
  assert.deepEqual(seen, ['container create', ...Array.from({ length: 3 }, () => ['container start', 'container die']).flat()]);
  assert.equal(await textOf(t.engine.logs(id, { stdout: true, stderr: true, follow: false, signal: never })), 'run\nrun\nrun\n');

  await t.engine.startContainer(id);
  assert.equal(t.engine.container(id).restartCount, 0, 'a start by hand counts anew');
  await until('it waits', isWaiting(t, clock, id));
  assert.deepEqual(clock.sleeping, [100], 'and waits anew');
});

test('a success is no failure, and for always no reason not to', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const content = await started(t, 'exit 0', { name: 'on-failure', maximumRetries: 0 });
  const tireless = await started(t, 'exit 0', always);
  await until('both have ended', () => phase(t, content) === 'exited' && phase(t, tireless) === 'restarting');
});

test('what is refused while it waits, and what gives the waiting up', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const { engine } = t;
  const id = await started(t, 'exit 5', always, { name: 'w1' });
  await until('it waits', isWaiting(t, clock, id));
  const restarting = { message: `Container ${id} is restarting, wait until the container is running` };
  await assert.rejects(engine.pauseContainer(id), restarting);
  await assert.rejects(engine.processes(id), restarting);
  const exec = { args: ['true'], env: [], cwd: '', user: '', terminal: false, stdin: false, stdout: true, stderr: true, privileged: false, detachKeys: '' };
  await assert.rejects(engine.createExec(id, exec), restarting);
  await assert.rejects(engine.startContainer(id), { kind: 'unchanged' });
  await assert.rejects(engine.removeContainer(id, { force: false, volumes: false }), {
    message: 'cannot remove container "/w1": container is restarting: stop the container before removing or force remove',
  });

  const exit = engine.waitContainer(id, 'not-running', never);
  await engine.stopContainer(id, {});
  assert.deepEqual(await exit, { exitCode: 5 });
  assert.deepEqual([phase(t, id), clock.sleeping], ['exited', []]);
  await assert.rejects(engine.stopContainer(id, {}), { kind: 'unchanged' });

  await engine.startContainer(id);
  await until('it waits', isWaiting(t, clock, id));
  await engine.killContainer(id, 9);
  assert.equal(phase(t, id), 'exited');

  await engine.startContainer(id);
  await until('it waits', isWaiting(t, clock, id));
  await engine.restartContainer(id, {});
  await until('it waits', isWaiting(t, clock, id));
  await engine.removeContainer(id, { force: true, volumes: false });
  assert.deepEqual([engine.containers(), clock.sleeping], [[], []]);
});

test('what is stopped or killed stays so; another signal is none of that', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const trapping = 'trap "exit 7" USR1; echo up; while :; do sleep 0.02; done';
  for (const end of [(id: string) => t.engine.stopContainer(id, { timeoutSeconds: 0 }), (id: string) => t.engine.killContainer(id, 9)]) {
    const id = await started(t, trapping, always);
    await end(id);
    assert.equal(phase(t, id), 'exited');
  }
  const id = await started(t, trapping, always);
  for await (const lines of t.engine.logs(id, { stdout: true, stderr: true, follow: true, signal: never })) if (String(lines[0]?.data) === 'up\n') break;
  await t.engine.killContainer(id, 10);
  await until('it waits', isWaiting(t, clock, id));
  assert.equal(t.engine.container(id).state.exitCode, 7);
});

test('a restart that fails is the end of it', limit, async () => {
  const clock = new ManualClock();
  await using t = await openTestEngine(undefined, { clock });
  const file = join(t.directory, 'command');
  const id = await started(t, `echo once > ${file}; exit 1`, always);
  await until('it waits', isWaiting(t, clock, id));
  t.runtime.start = () => Promise.reject(new Error('no machine'));
  clock.advance(100);
  await until('it has ended', () => phase(t, id) === 'exited');
  assert.equal(t.engine.container(id).state.error, 'no machine');
  assert.deepEqual(clock.sleeping, []);
});

function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-restart-'));
  context.after(async () => {
    await (await FakeRuntime.open({ directory: join(directory, 'fake') })).end();
    rmSync(directory, { recursive: true });
  });
  return directory;
}

async function leave(t: TestEngine): Promise<void> {
  await t.engine[Symbol.asyncDispose]();
  await t.runtime[Symbol.asyncDispose]();
  await t.store[Symbol.asyncDispose]();
}

test('who is running after the daemon was away', limit, async (context) => {
  const directory = folder(context);
  const policies: Record<string, RestartPolicy> = {
    no: { name: 'no', maximumRetries: 0 },
    always,
    'unless-stopped': { name: 'unless-stopped', maximumRetries: 0 },
    'on-failure': { name: 'on-failure', maximumRetries: 0 },
  };
  const clock = new ManualClock();
  const first = await openTestEngine(directory, { clock });
  const id = (name: string) => first.engine.container(name).definition.id;
  for (const [name, restart] of Object.entries(policies)) {
    await started(first, 'sleep 1000', restart, { name: `stopped-${name}` });
    await first.engine.stopContainer(`stopped-${name}`, { timeoutSeconds: 0 });
    await started(first, 'sleep 1000', restart, { name: `lost-${name}` });
    await started(first, 'sleep 1000', restart, { name: `kept-${name}` });
  }
  await first.engine.createContainer(first.container(['sleep', '1000'], { name: 'never-started', restart: always }));
  await started(first, 'sleep 0.2; exit 1', { name: 'on-failure', maximumRetries: 1 }, { name: 'ended-meanwhile' });
  const waiting = await started(first, 'exit 1', { name: 'on-failure', maximumRetries: 1 }, { name: 'waited' });
  await until('it waits', () => phase(first, waiting) === 'restarting');
  const lost = Object.keys(policies).map((name) => id(`lost-${name}`));
  await first.engine[Symbol.asyncDispose]();
  for (const one of lost) await first.runtime.stopLeftovers(one);
  await leave(first);
  await new Promise((resolve) => setTimeout(resolve, 300));

  await using second = await openTestEngine(directory);
  const expected: Record<string, string> = {
    'stopped-no': 'exited',
    'stopped-always': 'running',
    'stopped-unless-stopped': 'exited',
    'stopped-on-failure': 'exited',
    'lost-no': 'exited',
    'lost-always': 'running',
    'lost-unless-stopped': 'running',
    'lost-on-failure': 'running',
    'kept-no': 'running',
    'kept-always': 'running',
    'kept-unless-stopped': 'running',
    'kept-on-failure': 'running',
    'ended-meanwhile': 'exited',
    waited: 'exited',
    'never-started': 'created',
  };
  for (const [name, wanted] of Object.entries(expected)) {
    await until(`${name} is ${wanted}`, () => phase(second, name) === wanted).catch((error: unknown) => {
      throw new Error(`${name} is ${phase(second, name)}, not ${wanted}`, { cause: error });
    });
  }
  for (const name of ['ended-meanwhile', 'waited']) assert.equal(second.engine.container(name).restartCount, 1, name);
});
