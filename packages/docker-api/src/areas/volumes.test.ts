import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApi } from '../stand-ins/test-api.ts';

const limit = { timeout: 60_000 };

test('a volume’s life over HTTP, and what containers say of it', limit, async () => {
  await using api = await openTestApi();
  const made = await api.call('POST', '/volumes/create', { Name: 'data', Labels: { team: 'a' } });
  assert.equal(made.status, 201);
  const { Mountpoint, ...rest } = made.json();
  assert.match(String(Mountpoint), /\/volumes\/data\/_data$/);
  assert.deepEqual({ ...rest, CreatedAt: '' }, { CreatedAt: '', Driver: 'local', Labels: { team: 'a' }, Name: 'data', Options: null, Scope: 'local' });
  assert.match(String(rest['CreatedAt']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal((await api.call('POST', '/volumes/create')).status, 201);

  const { Volumes } = (await api.call('GET', '/volumes?filters={"name":["data"]}')).json<{ Volumes: unknown[] }>();
  assert.equal(Volumes.length, 1);
  const id = await api.run(['sleep', '1000'], { HostConfig: { Binds: ['data:/data:ro'] }, Volumes: { '/own': {} } });
  const inspected = (await api.call('GET', `/containers/${id}/json`)).json<{ Mounts: { Name: string }[]; Config: { Volumes: unknown } }>();
  assert.deepEqual(inspected.Config.Volumes, { '/own': {} });
  const own = inspected.Mounts[1]?.Name ?? '';
  assert.deepEqual(inspected.Mounts, [
    { Type: 'volume', Name: 'data', Source: Mountpoint, Destination: '/data', Driver: 'local', Mode: 'ro', RW: false, Propagation: '' },
    {
      Type: 'volume',
      Name: own,
      Source: String(Mountpoint).replace('/data/', `/${own}/`),
      Destination: '/own',
      Driver: 'local',
      Mode: '',
      RW: true,
      Propagation: '',
    },
  ]);
  const listed = async (filter: string) => (await api.call('GET', `/containers/json?filters=${encodeURIComponent(filter)}`)).json<{ Mounts: unknown[] }[]>();
  assert.equal((await listed('{"volume":["data"]}'))[0]?.Mounts.length, 2);
  assert.equal((await listed('{"volume":["/own"]}')).length, 1);
  assert.equal((await listed('{"volume":["other"]}')).length, 0);

  const df = (await api.call('GET', '/system/df')).json<{ Volumes: { Name: string; UsageData: { RefCount: number; Size: number } }[] }>();
  assert.deepEqual(df.Volumes.map(({ UsageData }) => UsageData.RefCount).sort(), [0, 1, 1]);
  assert.ok(df.Volumes.every(({ UsageData }) => UsageData.Size >= 0));

  const busy = await api.call('DELETE', '/volumes/data?force=1');
  assert.deepEqual([busy.status, busy.json<{ message: string }>().message], [409, `remove data: volume is in use - [${id}]`]);
  assert.equal((await api.call('DELETE', `/containers/${id}?force=1&v=1`)).status, 204);
  assert.equal((await api.call('GET', `/volumes/${own}`)).status, 404);
  // Since 1.42 only volumes without a name are pruned, unless all are asked for.
  const prune = async (path: string) => (await api.call('POST', path)).json<{ VolumesDeleted: string[] | null }>().VolumesDeleted;
  assert.equal((await prune('/v1.42/volumes/prune'))?.length, 1);
  assert.equal(await prune('/v1.42/volumes/prune?filters={"label":["team=b"],"all":["true"]}'), null);
  assert.deepEqual(await prune('/v1.41/volumes/prune'), ['data']);
});

test('what cannot be is answered with Docker’s codes', limit, async () => {
  await using api = await openTestApi();
  const create = (body: unknown) => api.call('POST', '/volumes/create', body);
  assert.equal((await create({ Name: 'a/b' })).status, 400);
  assert.equal((await create({ Name: 'vv', Driver: 'nope' })).status, 404);
  assert.equal((await create({ Name: 'vv', DriverOpts: { size: '1g' } })).status, 501);
  assert.equal((await create({ Name: 'vv', ClusterVolumeSpec: {} })).status, 501);
  const disk = (await create({ Name: 'disk', DriverOpts: { type: 'block', size: '32m' } })).json<{ Mountpoint: string; Status: { SizeBytes: number } }>();
  assert.deepEqual([disk.Mountpoint, disk.Status.SizeBytes], ['', 32 << 20]);
  assert.equal((await api.call('GET', '/volumes?filters={"nope":["1"]}')).status, 400);
  assert.equal((await api.call('DELETE', '/volumes/nosuch')).status, 404);
  assert.equal((await api.call('DELETE', '/volumes/nosuch?force=true')).status, 204);
  const missing = await api.call('POST', '/containers/create', { Image: 'busybox', HostConfig: { VolumesFrom: ['nosuch'] } });
  assert.deepEqual([missing.status, missing.json<{ message: string }>().message], [400, 'No such container: nosuch']);
});
