import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FakeRuntime } from '@berth/runtime/fake';
import type { BindPoint, VolumePoint } from '../port.ts';
import { openTestEngine, type TestEngine } from '../stand-ins/index.ts';

const never = new AbortController().signal;
const limit = { timeout: 30_000 };

const volume = (name: string, target: string, changes: Partial<VolumePoint> = {}): VolumePoint => ({
  type: 'volume',
  name,
  target,
  readonly: false,
  subpath: '',
  copy: true,
  anonymous: name === '',
  mode: '',
  making: { driver: '', options: {}, labels: {} },
  ...changes,
});
const bind = (source: string, target: string, changes: Partial<BindPoint> = {}): BindPoint => ({
  type: 'bind',
  source,
  target,
  readonly: false,
  recursive: true,
  createSource: true,
  mode: '',
  ...changes,
});
const asked = (name: string, options: Record<string, string> = {}) => ({ name, driver: '', options, labels: {} });
const names = (t: TestEngine) =>
  t.engine
    .volumes()
    .map(({ name }) => name)
    .sort();

function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-volumes-'));
  context.after(async () => {
    await (await FakeRuntime.open({ directory: join(directory, 'fake') })).end();
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** The engine goes without closing anything but its connections: what it was doing stays half-done. */
async function leave(t: TestEngine): Promise<void> {
  await t.engine[Symbol.asyncDispose]();
  await t.runtime[Symbol.asyncDispose]();
  await t.store[Symbol.asyncDispose]();
}

test('a volume is made once, stays while somebody refers to it, and is gone when it is removed', limit, async () => {
  await using t = await openTestEngine();
  const made = await t.engine.createVolume({ ...asked('vol'), labels: { a: 'b' } });
  assert.equal(made.mountpoint, join(t.directory, 'volumes/vol/_data'));
  assert.equal((await t.engine.createVolume(asked('vol'))).createdAtMs, made.createdAtMs);
  writeFileSync(join(made.mountpoint, 'kept'), 'x'.repeat(5000));
  assert.ok((await t.engine.volumeSize('vol')) >= 5000);
  const { id } = await t.engine.createContainer(t.container(['true'], { mounts: [volume('vol', '/v')] }));
  assert.deepEqual(t.engine.volume('vol').users, [id]);
  await assert.rejects(t.engine.removeVolume('vol', { force: true }), { code: 'volume-in-use', message: `remove vol: volume is in use - [${id}]` });
  await t.engine.removeContainer(id, { force: false, volumes: true });
  assert.ok(existsSync(join(made.mountpoint, 'kept')), 'a volume with a name outlives rm -v');
  await t.engine.removeVolume('vol', { force: false });
  assert.ok(!existsSync(join(t.directory, 'volumes/vol')));
  await assert.rejects(t.engine.removeVolume('vol', { force: false }), { code: 'volume-not-found' });
  await t.engine.removeVolume('vol', { force: true });
});

test('names and options that cannot be are refused and leave nothing', limit, async () => {
  await using t = await openTestEngine();
  const refused: [ReturnType<typeof asked>, string][] = [
    [asked('x'), 'volume-name-invalid'],
    [asked('a/b'), 'volume-name-invalid'],
    [asked('..'), 'volume-name-invalid'],
    [asked('vv', { nope: '1' }), 'volume-option-invalid'],
    [asked('vv', { size: '1g' }), 'volume-option-unsupported'],
    [asked('vv', { type: 'nfs', device: ':/x', o: 'addr=1.2.3.4' }), 'volume-option-unsupported'],
    [asked('vv', { type: 'none', device: 'relative', o: 'bind' }), 'volume-option-invalid'],
    [asked('vv', { type: 'none', device: '/x', o: 'bind,ro' }), 'volume-option-unsupported'],
    [asked('vv', { type: 'block', size: '1k' }), 'volume-option-invalid'],
    [asked('vv', { type: 'block', size: 'many' }), 'volume-option-invalid'],
    [asked('vv', { type: 'block', device: '/dev/sda' }), 'volume-option-invalid'],
    [{ ...asked('vv'), driver: 'nfs' }, 'volume-driver-unknown'],
  ];
  for (const [request, code] of refused) await assert.rejects(t.engine.createVolume(request), { code }, JSON.stringify(request));
  assert.deepEqual(names(t), []);
});

test('a disk has its size, and one run at a time', limit, async () => {
  await using t = await openTestEngine();
  const made = await t.engine.createVolume(asked('disk', { type: 'block', size: '64m' }));
  assert.equal(made.mountpoint, '');
  assert.equal(statSync(made.disk ?? '').size, 64 << 20);
  assert.ok((await t.engine.volumeSize('disk')) < 4 << 20, 'an empty disk takes little');
  await assert.rejects(t.engine.createVolume(asked('disk', { type: 'none', o: 'bind', device: '/tmp' })), { code: 'volume-kind-conflict' });
  const mounts = [volume('disk', '/d')];
  await t.engine.createContainer(t.container(['sleep', '1000'], { name: 'one', mounts }));
  await t.engine.createContainer(t.container(['true'], { name: 'two', mounts }));
  await t.engine.startContainer('one');
  await assert.rejects(t.engine.startContainer('two'), { code: 'volume-held', message: /which one container at a time can run on, and "one" does/ });
  await t.engine.stopContainer('one', { timeoutSeconds: 0 });
  await t.engine.startContainer('two');
});

test('volumes without a name go with their container when that is asked for, and not while another has them', limit, async () => {
  await using t = await openTestEngine();
  const create = (name: string, mounts: VolumePoint[], autoRemove = false) => t.engine.createContainer(t.container(['true'], { name, mounts, autoRemove }));
  await create('kept', [volume('', '/a')]);
  await t.engine.removeContainer('kept', { force: false, volumes: false });
  const [left] = names(t);
  assert.match(left ?? '', /^[0-9a-f]{64}$/);
  assert.deepEqual(t.engine.volume(left ?? '').labels, { 'com.docker.volume.anonymous': '' });

  await create('first', [volume('', '/a'), volume('named', '/n')]);
  const inherited = t.engine.container('first').definition.mounts as VolumePoint[];
  await create('second', inherited);
  await t.engine.removeContainer('first', { force: false, volumes: true });
  assert.equal(names(t).length, 3, 'the second one still has it');
  await t.engine.removeContainer('second', { force: false, volumes: true });
  assert.deepEqual(names(t), ['named', left].sort());

  await create('auto', [volume('', '/a')], true);
  const gone = t.engine.waitContainer('auto', 'removed', never);
  await t.engine.startContainer('auto');
  await gone;
  assert.deepEqual(names(t), ['named', left].sort());
  const pruned = await t.engine.pruneVolumes(({ anonymous }) => anonymous);
  assert.deepEqual(pruned.deleted, [left]);
});

test('directories of the host: made by -v, demanded by --mount, sockets refused', limit, async () => {
  await using t = await openTestEngine();
  const missing = join(t.directory, 'missing/deep');
  await assert.rejects(t.engine.createContainer(t.container(['true'], { mounts: [bind(missing, '/x', { createSource: false })] })), {
    code: 'bind-source-missing',
    message: `invalid mount config for type "bind": bind source path does not exist: ${missing}`,
  });
  await t.engine.createContainer(t.container(['true'], { name: 'made', mounts: [bind(missing, '/x')] }));
  assert.ok(!existsSync(missing));
  await t.engine.startContainer('made');
  assert.ok(statSync(missing).isDirectory());
  await t.engine.createContainer(t.container(['true'], { name: 'unmade', mounts: [bind('/proc/version/below', '/x')] }));
  await assert.rejects(t.engine.startContainer('unmade'), { code: 'bind-source-unmade' });
  assert.deepEqual(names(t), []);
  await t.engine.createContainer(t.container(['true'], { name: 'never' }));
});

test('a failed create takes its volumes back, but for named ones', limit, async () => {
  await using t = await openTestEngine();
  const mounts = [volume('named', '/n'), volume('', '/a'), volume('!', '/bad')];
  await assert.rejects(t.engine.createContainer(t.container(['true'], { name: 'bad', mounts })), { code: 'volume-name-invalid' });
  assert.deepEqual(names(t), ['named']);
  assert.deepEqual(t.engine.volume('named').users, []);
});

test('events tell of volumes and of their coming and going with runs', limit, async () => {
  await using t = await openTestEngine();
  const { id } = await t.engine.createContainer(t.container(['true'], { name: 'cc', mounts: [volume('v1', '/v', { readonly: true })] }));
  const ended = t.engine.waitContainer('cc', 'next-exit', never);
  await t.engine.startContainer('cc');
  await ended;
  await t.engine.removeContainer('cc', { force: true, volumes: false });
  await t.engine.removeVolume('v1', { force: false });
  const stop = AbortSignal.timeout(50);
  const told = [];
  for await (const event of t.engine.events({ sinceNs: 0n, signal: stop })) {
    if (event.type === 'volume') told.push([event.action, event.actorId, event.attributes]);
  }
  assert.deepEqual(told, [
    ['create', 'v1', { driver: 'local' }],
    ['mount', 'v1', { container: id, driver: 'local', destination: '/v', propagation: '', 'read/write': 'false' }],
    ['unmount', 'v1', { container: id, driver: 'local' }],
    ['destroy', 'v1', { driver: 'local' }],
  ]);
});

test('a daemon that died in the middle of making or removing leaves nothing half-done', limit, async (context) => {
  const directory = folder(context);
  const first = await openTestEngine(directory);
  await first.engine.createVolume(asked('whole'));
  await first.engine.createVolume(asked('half-removed'));
  await first.engine.createContainer(first.container(['sleep', '1000'], { name: 'runs', mounts: [volume('disk', '/d', blockMaking), volume('', '/a')] }));
  await first.engine.startContainer('runs');
  await first.engine.createContainer(first.container(['true'], { name: 'half-gone', mounts: [volume('', '/b')] }));
  const [own] = (first.engine.container('half-gone').definition.mounts as VolumePoint[]).map(({ name }) => name);
  // Killed after the first commit of each: a volume and its container, a removal, a removal with volumes.
  const { db } = first.store;
  await db
    .insertInto('volumes')
    .values({ name: 'half-made', format: 1, definition: row(first, 'half-made'), intent: 'create' })
    .execute();
  mkdirSync(join(directory, 'volumes/half-made/_data'), { recursive: true });
  await db.updateTable('volumes').set({ intent: 'remove' }).where('name', '=', 'half-removed').execute();
  await db.updateTable('containers').set({ phase: 'removing', intent: 'remove-volumes' }).where('name', '=', 'half-gone').execute();
  mkdirSync(join(directory, 'volumes/.trash/thrown'), { recursive: true });
  const before = first.engine.container('runs').definition;
  await leave(first);

  await using second = await openTestEngine(directory);
  const anonymous = (before.mounts as VolumePoint[]).find((mount) => mount.anonymous)?.name ?? '';
  assert.deepEqual(names(second), ['whole', 'disk', anonymous].sort());
  assert.deepEqual(second.engine.volume('disk').users, [before.id]);
  for (const gone of ['half-made', 'half-removed', own ?? '', '.trash/thrown']) assert.ok(!existsSync(join(directory, 'volumes', gone)), gone);
  await second.engine.createContainer(second.container(['true'], { name: 'late', mounts: [volume('disk', '/d')] }));
  await assert.rejects(second.engine.startContainer('late'), { code: 'volume-held' });
  await second.engine.removeContainer('runs', { force: true, volumes: true });
  assert.deepEqual(names(second), ['disk', 'whole']);
  await second.engine.startContainer('late');
});

const blockMaking = { making: { driver: 'local', options: { type: 'block', size: '32m' }, labels: {} } };
const row = (t: TestEngine, name: string) => JSON.stringify({ ...t.engine.volume('whole'), name });
