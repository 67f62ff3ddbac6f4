import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeRuntime } from '@berth/runtime/fake';
import type { Limits, RunningContainer } from '@berth/runtime';
import { Fault } from '@berth/kit';
import { listen, openTestEngine, type TestEngine } from './stand-ins/index.ts';

const limit = { timeout: 20_000 };
const MIB = 1 << 20;

/** Has the fake runtime's containers tell what limits they get, and refuse more than 512 MiB. */
function watchLimits(t: TestEngine): Limits[] {
  const given: Limits[] = [];
  const watch = (running: RunningContainer) => {
    running.updateLimits = async (limits) => {
      if ((limits.memoryBytes ?? 0) > 512 * MIB) throw new Fault('conflict', 'flavor-too-small', 'no room');
      given.push(limits);
    };
    return running;
  };
  const { start, adopt } = t.runtime;
  t.runtime.start = async (...args) => watch(await start.apply(t.runtime, args));
  t.runtime.adopt = async (...args) => {
    const running = await adopt.apply(t.runtime, args);
    return running === undefined ? undefined : watch(running);
  };
  return given;
}

test('limits and policy of a running and of a stopped container', limit, async () => {
  await using t = await openTestEngine();
  const given = watchLimits(t);
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { memoryBytes: 64 * MIB, pids: 10 }));
  await t.engine.updateContainer(id, { limits: { memoryBytes: 128 * MIB }, personality: { a: 1 } });
  const { definition } = t.engine.container(id);
  assert.deepEqual([definition.memoryBytes, definition.pids, definition.personality], [128 * MIB, undefined, { a: 1 }]);
  assert.deepEqual(given, []);
  await t.engine.startContainer(id);
  const events = listen(t.engine);
  const restart = { name: 'always', maximumRetries: 0 } as const;
  await t.engine.updateContainer(id, { limits: { memoryBytes: 256 * MIB, cpus: 0.5 }, restart, personality: {} });
  assert.deepEqual(given, [{ memoryBytes: 256 * MIB, cpus: 0.5 }]);
  assert.deepEqual(t.engine.container(id).definition.restart, restart);
  assert.deepEqual(await events.stop(), ['container update']);
});

test('what does not fit changes nothing', limit, async () => {
  await using t = await openTestEngine();
  const given = watchLimits(t);
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { memoryBytes: 64 * MIB, autoRemove: true }));
  await t.engine.startContainer(id);
  const before = t.engine.container(id).definition;
  await assert.rejects(t.engine.updateContainer(id, { limits: { memoryBytes: 1024 * MIB }, personality: {} }), { code: 'flavor-too-small' });
  await assert.rejects(t.engine.updateContainer(id, { limits: { memoryBytes: 1 }, personality: {} }), { code: 'limit-below-use' });
  await assert.rejects(t.engine.updateContainer(id, { limits: {}, restart: { name: 'always', maximumRetries: 0 }, personality: {} }), {
    message: 'Restart policy cannot be updated because AutoRemove is enabled for the container',
  });
  assert.deepEqual([t.engine.container(id).definition, given], [before, []]);
  const [row] = await t.store.db.selectFrom('containers').select(['definition', 'intent']).execute();
  assert.deepEqual([JSON.parse(row?.definition ?? '{}').memoryBytes, row?.intent], [64 * MIB, '']);
});

test('a daemon that died in between has its update finished by the next', limit, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-update-'));
  context.after(async () => {
    await (await FakeRuntime.open({ directory: join(directory, 'fake') })).end();
    rmSync(directory, { recursive: true });
  });
  const first = await openTestEngine(directory);
  const { id } = await first.engine.createContainer(first.container(['sleep', '1000'], { memoryBytes: 64 * MIB }));
  await first.engine.startContainer(id);
  await first.engine[Symbol.asyncDispose]();
  const { definition } = first.engine.container(id);
  await first.store.db
    .updateTable('containers')
    .set({ definition: JSON.stringify({ ...definition, memoryBytes: 96 * MIB }), phase: 'running', intent: 'update' })
    .execute();
  await first.runtime[Symbol.asyncDispose]();
  await first.store[Symbol.asyncDispose]();

  const adopted: Limits[] = [];
  const prototype = FakeRuntime.prototype;
  const { adopt } = prototype;
  prototype.adopt = async function (...args) {
    const running = await adopt.apply(this, args);
    if (running !== undefined) running.updateLimits = async (limits) => void adopted.push(limits);
    return running;
  };
  try {
    await using second = await openTestEngine(directory);
    assert.deepEqual(adopted, [{ memoryBytes: 96 * MIB }]);
    assert.equal(second.engine.container(id).definition.memoryBytes, 96 * MIB);
    const [row] = await second.store.db.selectFrom('containers').select('intent').execute();
    assert.equal(row?.intent, '');
  } finally {
    prototype.adopt = adopt;
  }
});
