import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listen, openTestEngine, textOf } from './stand-ins/index.ts';

const never = new AbortController().signal;
const stubborn = 'trap "" TERM; echo up; while :; do sleep 0.05; done';
const polite = 'trap "exit 3" TERM USR1; echo up; while :; do sleep 0.02; done';

async function running(script: string, changes: Parameters<Awaited<ReturnType<typeof openTestEngine>>['container']>[1] = {}) {
  const t = await openTestEngine();
  const { id } = await t.engine.createContainer(t.container(['sh', '-c', script], changes));
  const { output } = await t.engine.attachContainer(id, { stdin: false, stdout: true, stderr: true, logs: false, stream: true, signal: never });
  await t.engine.startContainer(id);
  for await (const { data } of output) if (data.toString().includes('up')) break;
  return { ...t, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose](), id };
}

test('stop sends the stop signal and waits for the exit', { timeout: 20_000 }, async () => {
  await using t = await running(polite);
  const events = listen(t.engine);
  await t.engine.stopContainer(t.id, {});
  assert.equal(t.engine.container(t.id).state.exitCode, 3);
  assert.deepEqual(await events.stop(), ['container kill', 'container die', 'network disconnect', 'container stop']);
  await assert.rejects(t.engine.stopContainer(t.id, {}), { kind: 'unchanged', code: 'already-stopped' });
});

test('stop kills what does not end in time', { timeout: 20_000 }, async () => {
  await using t = await running(stubborn);
  await t.engine.stopContainer(t.id, { timeoutSeconds: 0 });
  assert.equal(t.engine.container(t.id).state.exitCode, 137);
});

test('kill ends a stop that waits', { timeout: 20_000 }, async () => {
  await using t = await running(stubborn);
  const stopped = t.engine.stopContainer(t.id, { timeoutSeconds: -1 });
  await t.engine.killContainer(t.id, 9);
  await stopped;
  assert.equal(t.engine.container(t.id).state.exitCode, 137);
  await assert.rejects(t.engine.killContainer('nosuch', 9), { code: 'container-not-found' });
  await assert.rejects(t.engine.killContainer(t.id, 9), { kind: 'conflict', message: `cannot kill container: ${t.id}: container ${t.id} is not running` });
});

test('another signal is only sent', { timeout: 20_000 }, async () => {
  await using t = await running(polite);
  const exit = t.engine.waitContainer(t.id, 'not-running', never);
  await t.engine.killContainer(t.id, 10);
  assert.deepEqual(await exit, { exitCode: 3 });
});

test('pause and unpause; what each phase refuses', { timeout: 20_000 }, async () => {
  await using t = await running(polite);
  const { engine, id } = t;
  await assert.rejects(engine.unpauseContainer(id), { message: `Container ${id} is not paused` });
  await assert.rejects(engine.startContainer(id), { kind: 'unchanged' });
  await engine.pauseContainer(id);
  assert.equal(engine.container(id).state.phase, 'paused');
  await assert.rejects(engine.pauseContainer(id), { message: `container ${id} is already paused` });
  await assert.rejects(engine.startContainer(id), { message: 'cannot start a paused container, try unpause instead' });
  await assert.rejects(engine.removeContainer(id, { force: false, volumes: false }), { kind: 'conflict', message: /is paused and must be unpaused first/ });
  await engine.unpauseContainer(id);
  await engine.pauseContainer(id);
  await engine.stopContainer(id, {});
  assert.equal(engine.container(id).state.exitCode, 3);
  await assert.rejects(engine.pauseContainer(id), { message: `container ${id} is not running` });
});

test('restart gives a new run, the log goes on, and --rm does not remove in between', { timeout: 20_000 }, async () => {
  await using t = await running(polite, { autoRemove: true });
  const events = listen(t.engine);
  await t.engine.restartContainer(t.id, {});
  assert.equal(t.engine.container(t.id).state.phase, 'running');
  const seen = await events.stop();
  assert.deepEqual(seen, [
    'container kill',
    'container die',
    'network disconnect',
    'container stop',
    'network connect',
    'container start',
    'container restart',
  ]);
  const log = t.engine.logs(t.id, { stdout: true, stderr: true, follow: true, signal: never });
  const removed = t.engine.waitContainer(t.id, 'removed', never);
  const text = textOf(log);
  await t.engine.stopContainer(t.id, {});
  await removed;
  assert.match(await text, /^up\n/);
});

test('a running container is removed only by force', { timeout: 20_000 }, async () => {
  await using t = await running(stubborn, { name: 'loud' });
  await assert.rejects(t.engine.removeContainer('loud', { force: false, volumes: false }), {
    kind: 'conflict',
    message: 'cannot remove container "/loud": container is running: stop the container before removing or force remove',
  });
  const events = listen(t.engine);
  await t.engine.removeContainer('loud', { force: true, volumes: false });
  assert.deepEqual(await events.stop(), ['container kill', 'container die', 'network disconnect', 'container destroy']);
});

test('two removals at once: one does it, the other is told', { timeout: 20_000 }, async () => {
  await using t = await running(stubborn);
  const [first, second] = await Promise.allSettled([
    t.engine.removeContainer(t.id, { force: true, volumes: false }),
    t.engine.removeContainer(t.id, { force: true, volumes: false }),
  ]);
  assert.equal(first.status, 'fulfilled');
  assert.ok(second.status === 'rejected' && second.reason.message === `removal of container ${t.id} is already in progress`);
});

test('a removal by force gives up a start in progress', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000']));
  const started = t.engine.startContainer(id);
  const removed = t.engine.removeContainer(id, { force: true, volumes: false });
  await Promise.allSettled([started]);
  await removed;
  assert.deepEqual(t.engine.containers(), []);
  assert.deepEqual(await t.runtime.list(), []);
});

test('stopAll stops every container', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  for (let index = 0; index < 4; index += 1) {
    const { id } = await t.engine.createContainer(t.container(['sleep', '1000']));
    await t.engine.startContainer(id);
  }
  await t.engine.stopAll();
  assert.deepEqual(
    t.engine.containers().map(({ state }) => state.phase),
    ['exited', 'exited', 'exited', 'exited'],
  );
});
