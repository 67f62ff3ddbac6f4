import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '@berth/kit';
import type { Credentials, PullOptions, Registries } from '@berth/images';
import { openTestApi } from './stand-ins/test-api.ts';

type Asked = { reference: string; all: boolean; platform?: string; credentials?: Credentials };

/** An endpoint whose registries do what the test says, and what they were asked. */
async function openScene(pull: (reference: string, options: PullOptions) => Promise<void>) {
  const api = await openTestApi();
  const asked: Asked[] = [];
  const stand: Partial<Registries> = {
    async pull(reference, options) {
      const { all, platform, credentials } = options;
      asked.push({ reference, all, ...(platform === undefined ? {} : { platform }), ...(credentials === undefined ? {} : { credentials }) });
      await pull(reference, options);
      return { reference, name: reference.replace(/[:@].*$/, ''), images: [] };
    },
  };
  Object.assign(api.t.engine.images.registries, stand);
  return { api, asked };
}

const header = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('what is to be pulled, from the two parameters there are for it', async () => {
  const { api, asked } = await openScene(async () => undefined);
  await using _api = api;
  const digest = `sha256:${'a'.repeat(64)}`;
  for (const [query, reference, all] of [
    ['fromImage=busybox&tag=1', 'busybox:1', false],
    ['fromImage=busybox', 'busybox', true],
    ['fromImage=busybox:1', 'busybox:1', false],
    ['fromImage=localhost:5000/a/b&tag=1', 'localhost:5000/a/b:1', false],
    ['fromImage=localhost:5000/a/b', 'localhost:5000/a/b', true],
    ['fromImage=localhost:5000/a/b:2&tag=1', 'localhost:5000/a/b:1', false],
    [`fromImage=a:2&tag=${digest}`, `a@${digest}`, false],
    [`fromImage=a@${digest}`, `a@${digest}`, false],
  ] as const) {
    assert.equal((await api.call('POST', `/images/create?${query}`)).status, 200);
    assert.deepEqual(asked.pop(), { reference, all }, query);
  }
  for (const query of ['fromImage=', 'fromImage=a&tag=b/c', 'fromImage=A&tag=1'])
    assert.equal((await api.call('POST', `/images/create?${query}`)).status, 400, query);
});

test('credentials: of the request, of its list of registries, or none', async () => {
  const { api, asked } = await openScene(async () => undefined);
  await using _api = api;
  const credentials = async (headers: Record<string, string>) => {
    await api.call('POST', '/images/create?fromImage=localhost:5000/a&tag=1&platform=linux/arm64', undefined, headers);
    const last = asked.pop();
    assert.equal(last?.platform, 'linux/arm64');
    return last.credentials;
  };
  const ann = { username: 'ann', password: 'a:b', identityToken: '', registryToken: '' };
  assert.deepEqual(await credentials({ 'X-Registry-Auth': header({ username: 'ann', password: 'a:b' }) }), ann);
  assert.deepEqual(await credentials({ 'X-Registry-Auth': header({ auth: Buffer.from('ann:a:b').toString('base64') }) }), ann);
  assert.deepEqual(await credentials({ 'X-Registry-Config': header({ 'localhost:5000': { username: 'ann', password: 'a:b' }, other: {} }) }), ann);
  assert.equal(await credentials({ 'X-Registry-Config': header({ other: { username: 'ann' } }) }), undefined);
  assert.equal(await credentials({ 'X-Registry-Auth': 'no base64 of anything' }), undefined);
  assert.equal(await credentials({}), undefined);
});

test('a refusal is told by status code until there is something else to tell', async () => {
  const fault = new Fault('unavailable', 'registry-unreachable', 'nobody there');
  const { api } = await openScene(async (reference, { progress }) => {
    if (reference.endsWith(':late')) progress({ status: 'Pulling from a', id: 'late' });
    throw fault;
  });
  await using _api = api;
  const early = await api.call('POST', '/images/create?fromImage=a&tag=early');
  assert.deepEqual([early.status, early.json()], [500, { message: 'nobody there' }]);
  const late = await api.call('POST', '/images/create?fromImage=a&tag=late');
  assert.equal(late.status, 200);
  assert.deepEqual(
    late.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      { status: 'Pulling from a', id: 'late' },
      { errorDetail: { message: 'nobody there' }, error: 'nobody there' },
    ],
  );
});

test('a client that goes stops its pull', async () => {
  const stopped = Promise.withResolvers<void>();
  const { api } = await openScene(async (_reference, { progress, signal }) => {
    progress({ status: 'Pulling from a', id: '1' });
    await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    stopped.resolve();
  });
  await using _api = api;
  const socket = api.connect();
  socket.write('POST /images/create?fromImage=a&tag=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n');
  socket.once('data', () => socket.destroy());
  await stopped.promise;
});
