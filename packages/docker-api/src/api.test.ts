import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { createDockerApi } from './index.ts';
import { absentTable } from './areas/absent.ts';
import { openTestApi, type Answer, type TestApi } from './stand-ins/test-api.ts';

const limit = { timeout: 30_000 };
const message = (answer: Answer) => answer.json<{ message: string }>().message;

test('ping tells what clients negotiate by', limit, async () => {
  await using api = await openTestApi();
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, text } = await api.call(method, '/_ping');
    assert.equal(status, 200);
    assert.equal(text, method === 'GET' ? 'OK' : '');
    assert.deepEqual(
      [headers['api-version'], headers['docker-experimental'], headers['ostype'], headers['builder-version'], headers['server']],
      ['1.50', 'false', 'linux', '1', 'Berth/0.0.1 (linux)'],
    );
  }
});

test('versions: 1.24 to 1.50 and none are spoken, others refused in Docker’s words', limit, async () => {
  await using api = await openTestApi();
  for (const prefix of ['/v1.24', '/v1.41', '/v1.50', '']) assert.equal((await api.call('GET', `${prefix}/version`)).status, 200);
  const old = await api.call('GET', '/v1.23/info');
  assert.equal(old.status, 400);
  assert.equal(message(old), 'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version');
  assert.equal(message(await api.call('GET', '/v1.51/info')), 'client version 1.51 is too new. Maximum supported API version is 1.50');
  assert.equal((await api.call('GET', '/v2.0/info')).status, 400);
  for (const path of ['/nope', '/vfoo/info', '/containers/create']) {
    const answer = await api.call('GET', path);
    assert.deepEqual([answer.status, message(answer)], [404, 'page not found']);
    assert.equal(answer.headers['content-type'], 'application/json');
  }
});

test('fields come and go with the version', limit, async () => {
  await using api = await openTestApi();
  const image = async (version: string) => (await api.call('GET', `/v${version}/images/busybox/json`)).json();
  assert.ok('VirtualSize' in (await image('1.43')) && 'ContainerConfig' in (await image('1.44')) && 'Parent' in (await image('1.49')));
  for (const gone of ['VirtualSize', 'Container', 'Parent']) assert.ok(!(gone in (await image('1.50'))), gone);
});

test('what is broken is refused with a sentence, and nothing is made', limit, async () => {
  await using api = await openTestApi();
  const create = (body: unknown, headers?: Record<string, string>) => api.call('POST', '/containers/create', body, headers);
  const cases: [Answer, number, RegExp][] = [
    [await create(undefined), 400, /EOF/],
    [await create('{'), 400, /unexpected EOF/],
    [await create('{}', { 'Content-Type': 'text/plain' }), 400, /must be 'application\/json'/],
    [await create('[]'), 400, /cannot unmarshal array/],
    [await create({ Image: 5 }), 400, /cannot unmarshal number into Go struct field ContainerConfigWrapper.Image of type string/],
    [await create({}), 400, /config cannot be empty/],
    [await create({ Image: 'nosuch' }), 404, /^No such image: nosuch:latest$/],
    [await create({ Image: 'busybox', HostConfig: { Binds: ['/a:/b:shared'] } }), 501, /The bind propagation shared is not supported by Berth yet/],
    [await create({ Image: 'busybox', HostConfig: { NetworkMode: 'nosuch' } }), 400, /network nosuch not found/],
    [await api.call('POST', '/containers/create?name=-bad', { Image: 'busybox' }), 400, /Invalid container name \(-bad\)/],
    [await api.call('GET', '/containers/json?filters=junk'), 400, /invalid character 'j'/],
    [await api.call('GET', '/containers/json?limit=x'), 400, /strconv\.Atoi: parsing "x": invalid syntax/],
    [await api.call('GET', '/containers/json?filters=%7B%22nope%22%3A%5B%221%22%5D%7D'), 400, /invalid filter 'nope'/],
    [await api.call('GET', '/containers/nosuch/logs'), 400, /must choose at least one stream/],
    [await api.call('GET', '/containers/nosuch/logs?stdout=1'), 404, /^No such container: nosuch$/],
    [await api.call('POST', '/containers/nosuch/exec', { Cmd: [] }), 400, /no exec command specified/],
    [await api.call('GET', '/exec/nosuch/json'), 404, /^No such exec instance: nosuch$/],
    [await api.call('GET', '/events?since=5&until=1'), 400, /`since` time \(5\) cannot be after `until` time \(1\)/],
    [await api.call('POST', '/images/create?fromImage=x&tag=y'), 501, /the stand-in for images has no content/],
    [await api.call('POST', '/networks/create', { Name: 'n', Driver: 'nosuch' }), 404, /plugin "nosuch" not found/],
    [await api.call('POST', '/networks/create', { Name: 'n', EnableIPv4: false }), 501, /A network without IPv4/],
    [await api.call('POST', '/networks/create', { Name: 'n', Scope: 'swarm' }), 403, /swarm is not active/],
    [await api.call('GET', '/containers/%E0%A4%A/json'), 400, /./],
  ];
  for (const [answer, status, text] of cases) {
    assert.equal(answer.status, status, answer.text);
    assert.match(message(answer), text);
  }
  assert.deepEqual((await api.call('GET', '/containers/json?all=1')).json(), []);
});

test('too large: bodies 413, heads 431', limit, async () => {
  await using api = await openTestApi();
  const body = await api.call('POST', '/containers/create', `{"Image":"${'x'.repeat(5 << 20)}"}`);
  assert.deepEqual([body.status, message(body)], [413, 'request body too large']);
  const head = await api.call('GET', `/info?${'x'.repeat(200_000)}`);
  assert.deepEqual([head.status, message(head)], [431, 'request header fields too large']);
});

test('what is not there answers 501 with a sentence; a swarm’s calls as a daemon outside one', limit, async () => {
  await using api = await openTestApi();
  for (const { method, path } of absentTable.filter((row) => row.method !== 'HEAD')) {
    const answer = await api.call(String(method), path.replace(':id', 'x').replace(':name', 'x').replace('*', 'x/json'), method === 'GET' ? undefined : {});
    assert.equal(answer.status, 501, path);
    assert.match(message(answer), /not supported by Berth yet/);
  }
  for (const path of ['/swarm', '/nodes', '/services', '/tasks', '/secrets', '/configs']) {
    const answer = await api.call('GET', path);
    assert.equal(answer.status, 503);
    assert.match(message(answer), /This node is not a swarm manager/);
  }
  assert.deepEqual((await api.call('GET', '/volumes')).json(), { Volumes: [], Warnings: null });
  assert.deepEqual((await api.call('GET', '/plugins')).json(), []);
});

test('the head of a wait goes out before there is anything to tell', limit, async () => {
  await using api = await openTestApi();
  const { Id } = (await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['sh', '-c', 'exit 7'] })).json<{ Id: string }>();
  const request = httpRequest({ socketPath: api.socketPath, method: 'POST', path: `/v1.50/containers/${Id}/wait?condition=next-exit` });
  request.end();
  const [response] = await once(request, 'response', { signal: AbortSignal.timeout(5_000) });
  assert.equal(response.statusCode, 200);
  await api.call('POST', `/containers/${Id}/start`);
  let text = '';
  for await (const part of response) text += part;
  assert.deepEqual(JSON.parse(text), { StatusCode: 7 });
  assert.equal((await api.call('POST', `/containers/${Id}/wait?condition=nope`)).status, 400);
});

test('events carry old and new fields, and nanoseconds exactly', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['true']);
  await api.call('POST', `/containers/${id}/wait`);
  const answer = await api.call(
    'GET',
    `/events?since=1&until=${Math.ceil(Date.now() / 1000) + 1}&filters=${encodeURIComponent('{"type":["container"],"event":["start"]}')}`,
  );
  const [line = ''] = answer.text.split('\n');
  const event = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual(
    [event['status'], event['id'], event['from'], event['Type'], event['Action'], event['scope']],
    ['start', id, 'busybox', 'container', 'start', 'local'],
  );
  assert.match(line, /"timeNano":\d{19}\}$/);
  assert.equal(answer.text.trim().split('\n').length, 1);
});

test('logs: framed, with times, the last lines; and a client that goes ends the following', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sh', '-c', 'echo one; echo two']);
  await api.call('POST', `/containers/${id}/wait`);
  const logs = await api.call('GET', `/containers/${id}/logs?stdout=1&timestamps=1&tail=1`);
  assert.equal(logs.headers['content-type'], 'application/vnd.docker.multiplexed-stream');
  assert.match(logs.text.slice(8), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z two\n$/);
  assert.equal((await api.call('GET', `/v1.41/containers/${id}/logs?stdout=1`)).headers['content-type'], 'application/vnd.docker.raw-stream');
});

test('statistics: one shot, two samples, and zeros when nothing runs', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '60']);
  const stats = async (query: string) => (await api.call('GET', `/containers/${id}/stats?${query}`)).json<Record<string, never>>();
  assert.equal((await stats('stream=0&one-shot=1'))['preread'], '0001-01-01T00:00:00Z');
  assert.notEqual((await stats('stream=0'))['preread'], '0001-01-01T00:00:00Z');
  await api.call('POST', `/containers/${id}/kill`);
  assert.deepEqual((await stats('stream=0'))['pids_stats'], {});
});

test('a connection kept alive survives detached execs, paused attaches and other refusals', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '60']);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (method: string, path: string, body?: object) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
      const request = httpRequest({ socketPath: api.socketPath, agent, method, path, headers }, (response) => {
        let text = '';
        response.on('data', (part) => (text += String(part)));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  for (let round = 0; round < 3; round++) {
    const made = await send('POST', `/containers/${id}/exec`, { Cmd: ['true'] });
    assert.equal((await send('POST', `/exec/${(JSON.parse(made.text) as { Id: string }).Id}/start`, { Detach: true })).status, 200);
    assert.equal((await send('POST', '/containers/nosuch/attach')).status, 404);
    assert.equal((await send('POST', `/containers/${id}/pause`)).status, 204);
    assert.equal((await send('POST', `/containers/${id}/attach?stream=1&stdout=1`)).status, 409);
    assert.equal((await send('POST', `/containers/${id}/unpause`)).status, 204);
  }
  agent.destroy();
});

test('an image for another machine counts as missing', limit, async () => {
  await using api = await openTestApi();
  const create = (platform: string) => api.call('POST', `/containers/create?platform=${platform}`, { Image: 'busybox', Cmd: ['true'] });
  assert.equal((await create('linux/amd64')).status, 201);
  const other = await create('linux/arm64');
  assert.equal(other.status, 404);
  assert.match(message(other), /its platform \(linux\/amd64\) does not match the specified platform \(linux\/arm64\)/);
});

test('the socket is made with its mode, refused when served, removed at the end', limit, async () => {
  const api = await openTestApi();
  await assert.rejects(secondEndpoint(api), { code: 'endpoint-in-use' });
  await api[Symbol.asyncDispose]();
  assert.ok(!existsSync(api.socketPath));
});

function secondEndpoint(api: TestApi): Promise<void> {
  const quiet = () => undefined;
  const second = createDockerApi({ engine: api.t.engine, builder: api.builder, version: '0', log: { debug: quiet, info: quiet, warn: quiet, error: quiet } });
  return second.listen(api.socketPath);
}
