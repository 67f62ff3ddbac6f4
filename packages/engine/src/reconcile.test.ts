import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FakeContainer, FakeRuntime } from '@berth/runtime/fake';
import { Store } from '@berth/store';
import type { NewNetwork } from './port.ts';
import { openTestEngine, textOf, type TestEngine } from './stand-ins/index.ts';

const never = new AbortController().signal;
const limit = { timeout: 30_000 };

/** A folder for one test; what still runs there is ended at the end. */
function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-reconcile-'));
  context.after(async () => {
    await (await FakeRuntime.open({ directory: join(directory, 'fake') })).end();
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** Closes the engine and the runtime's connection, and leaves what runs. */
async function leave(t: TestEngine): Promise<void> {
  await t.engine[Symbol.asyncDispose]();
  await t.runtime[Symbol.asyncDispose]();
  await t.store[Symbol.asyncDispose]();
}

test('killed while a network was joined or left: the next engine makes the machine what its row says', limit, async (context) => {
  const directory = folder(context);
  const first = await openTestEngine(directory);
  const blank = {
    driver: 'bridge',
    internal: false,
    attachable: false,
    enableIpv6: false,
    pools: [],
    ipamDriver: '',
    ipamOptions: {},
    options: {},
    labels: {},
  };
  const joined = await first.engine.createNetwork({ ...blank, name: 'joined' });
  const left = await first.engine.createNetwork({ ...blank, name: 'left' });
  const joining = await first.engine.createContainer(first.container(['sleep', '1000'], { name: 'joining' }));
  const leaving = await first.engine.createContainer(first.container(['sleep', '1000'], { name: 'leaving', networks: [{ network: 'left', aliases: [] }] }));
  for (const name of ['joining', 'leaving']) await first.engine.startContainer(name);
  // The runtime never answers: that is where the daemon is killed.
  const asked: string[] = [];
  for (const call of ['connectNetwork', 'disconnectNetwork'] as const) {
    context.mock.method(FakeContainer.prototype, call, async () => {
      asked.push(call);
      await new Promise<void>(() => undefined);
    });
  }
  void first.engine.connectNetwork('joined', 'joining', { aliases: [] }).catch(() => undefined);
  void first.engine.disconnectNetwork('left', 'leaving', { force: false }).catch(() => undefined);
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  context.mock.restoreAll();
  await leave(first);

  const seen: string[] = [];
  context.mock.method(FakeContainer.prototype, 'networkIds', () => [left.id]);
  for (const call of ['connectNetwork', 'disconnectNetwork'] as const) {
    context.mock.method(FakeContainer.prototype, call, async function (this: FakeContainer, network: string | { networkId: string }) {
      const id = typeof network === 'string' ? network : network.networkId;
      if (id === joined.id || id === left.id) seen.push(`${call} ${id === joined.id ? 'joined' : 'left'} ${this.id === joining.id ? 'joining' : 'leaving'}`);
    });
  }
  const second = await openTestEngine(directory);
  assert.deepEqual(seen.sort(), ['connectNetwork joined joining', 'disconnectNetwork left joining', 'disconnectNetwork left leaving']);
  assert.deepEqual(
    second.engine.container('joining').endpoints.map(({ networkName }) => networkName),
    ['bridge', 'joined'],
  );
  assert.deepEqual(second.engine.container(leaving.id).endpoints, []);
  await leave(second);
});

test('closing leaves containers running; the next engine has them as they were', limit, async (context) => {
  const directory = folder(context);
  const first = await openTestEngine(directory);
  const network: NewNetwork = {
    name: 'n',
    driver: 'bridge',
    internal: false,
    attachable: false,
    enableIpv6: false,
    pools: [],
    ipamDriver: '',
    ipamOptions: {},
    options: {},
    labels: { a: 'b' },
  };
  await first.engine.createNetwork(network);
  const ports = [{ protocol: 'tcp' as const, containerPort: 80, hostAddress: '', hostPortFirst: 0, hostPortLast: 0 }];
  const script = 'echo before; read x; echo after $x; exit 5';
  await first.engine.createContainer(
    first.container(['sh', '-c', script], { name: 'kept', openStdin: true, ports, networks: [{ network: 'n', aliases: ['alias'] }] }),
  );
  await first.engine.startContainer('kept');
  await first.engine.createContainer(first.container(['sleep', '1000'], { name: 'frozen' }));
  await first.engine.startContainer('frozen');
  await first.engine.pauseContainer('frozen');
  const before = first.engine.container('kept');
  const { id } = first.engine.facts();
  await leave(first);
  await assert.rejects(first.engine.startContainer('kept'), { code: 'engine-closed' });

  await using second = await openTestEngine(directory);
  const after = second.engine.container('kept');
  assert.deepEqual({ ...after, execIds: [] }, before);
  assert.equal(second.engine.facts().id, id);
  assert.deepEqual(second.networking.published.get(after.definition.id), [...before.publications]);
  assert.equal(second.networking.announced.size, 2);
  assert.equal(second.engine.container('frozen').state.phase, 'paused');
  const attachment = await second.engine.attachContainer('kept', { stdin: true, stdout: true, stderr: true, logs: true, stream: true, signal: never });
  const exit = second.engine.waitContainer('kept', 'next-exit', never);
  await attachment.writeStdin(Buffer.from('all\n'));
  assert.equal(await textOf(attachment.output), 'before\nafter all\n');
  assert.deepEqual(await exit, { exitCode: 5 });
});

test('what ended meanwhile has its code, its time and its output', limit, async (context) => {
  const directory = folder(context);
  const first = await openTestEngine(directory);
  await first.engine.createContainer(first.container(['sh', '-c', 'sleep 0.3; echo unseen; exit 9'], { name: 'ended' }));
  await first.engine.startContainer('ended');
  await first.engine.createContainer(first.container(['sleep', '0.3'], { name: 'rm-me', autoRemove: true }));
  await first.engine.startContainer('rm-me');
  await leave(first);

  await using second = await openTestEngine(directory);
  await second.engine.waitContainer('ended', 'not-running', never);
  const { state } = second.engine.container('ended');
  assert.equal(state.exitCode, 9);
  assert.ok(state.finishedAtMs >= state.startedAtMs + 250);
  assert.equal(await textOf(second.engine.logs('ended', { stdout: true, stderr: true, follow: false, signal: never })), 'unseen\n');
  if (second.engine.containers().length > 1) await second.engine.waitContainer('rm-me', 'removed', never).catch(() => undefined);
  assert.deepEqual(
    second.engine.containers().map(({ definition }) => definition.name),
    ['ended'],
  );
});

test('a container whose machine is gone is told as lost; one that nobody knows is removed', limit, async (context) => {
  const directory = folder(context);
  const first = await openTestEngine(directory);
  for (const name of ['lost', 'unknown', 'half-removed', 'half-started']) {
    await first.engine.createContainer(first.container(['sleep', '1000'], { name }));
    await first.engine.startContainer(name);
  }
  const id = (name: string) => first.engine.container(name).definition.id;
  const [lost, unknown, removed, started] = ['lost', 'unknown', 'half-removed', 'half-started'].map(id);
  await first.engine[Symbol.asyncDispose]();
  await first.runtime.stopLeftovers(lost ?? '');
  await first.store.db
    .deleteFrom('containers')
    .where('id', '=', unknown ?? '')
    .execute();
  await first.store.db
    .updateTable('containers')
    .set({ phase: 'removing' })
    .where('id', '=', removed ?? '')
    .execute();
  await first.store.db
    .updateTable('containers')
    .set({ phase: 'created', intent: 'start' })
    .where('id', '=', started ?? '')
    .execute();
  await first.runtime[Symbol.asyncDispose]();
  await first.store[Symbol.asyncDispose]();

  await using second = await openTestEngine(directory);
  assert.deepEqual(
    second.engine.containers().map(({ definition, state }) => [definition.name, state.phase, state.exitCode]),
    [
      ['lost', 'exited', 255],
      ['half-started', 'running', 0],
    ],
  );
  assert.deepEqual((await second.runtime.list()).sort(), [lost, started].sort());
  assert.deepEqual([...second.images.leases.keys()].sort(), [lost, started].sort());
  await second.engine.startContainer('lost');
});

test('a row of another version is a fault that names it', limit, async (context) => {
  const directory = folder(context);
  const first = await openTestEngine(directory);
  await first.engine.createContainer(first.container(['true'], { name: 'strange' }));
  await leave(first);
  const path = join(directory, 'state.db');
  const store = await Store.open({ path });
  await store.db.updateTable('containers').set({ format: 9 }).execute();
  await store[Symbol.asyncDispose]();
  await assert.rejects(openTestEngine(directory), {
    code: 'state-unreadable',
    message: /container strange cannot be read by this version of Berth: its format is 9/,
  });
});
