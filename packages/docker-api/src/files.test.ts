/** cp, diff, export and commit over HTTP, on a runtime whose containers have a folder for files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buffer } from 'node:stream/consumers';
import tar from 'tar-stream';
import { gzipSync } from 'node:zlib';
import { TarReader } from '@berth/images';
import { until } from '../../../test/oracle/index.ts';
import { type Answer, openTestApi, type TestApi } from './stand-ins/test-api.ts';

const limit = { timeout: 30_000 };
const message = (answer: Answer) => answer.json<{ message: string }>().message;
const mtime = new Date(1_400_000_000_000);

async function archive(...files: readonly (readonly [string, string?])[]): Promise<Buffer> {
  const pack = tar.pack();
  const whole = buffer(pack);
  for (const [name, content] of files) pack.entry({ name, mtime, mode: 0o4750, type: content === undefined ? 'directory' : 'file' }, content ?? '');
  pack.finalize();
  return await whole;
}

async function created(api: TestApi, body: Record<string, unknown> = {}): Promise<string> {
  return (await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['true'], ...body })).json<{ Id: string }>().Id;
}

const put = (api: TestApi, id: string, query: string, body: Buffer) =>
  api.call('PUT', `/containers/${id}/archive?${query}`, body, { 'Content-Type': 'application/x-tar' });

async function names(text: string): Promise<string[]> {
  const reader = new TarReader(
    (async function* () {
      yield Buffer.from(text);
    })(),
  );
  const found: string[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) found.push(entry.path);
  return found;
}

test('an archive goes in, plain or compressed, is described, and comes out under its own name', limit, async () => {
  await using api = await openTestApi();
  const id = await created(api);
  for (const body of [await archive(['dir/'], ['dir/file', 'content']), gzipSync(await archive(['dir/more', 'x']))]) {
    assert.equal((await put(api, id, 'path=/', body)).status, 200);
  }
  const head = await api.call('HEAD', `/containers/${id}/archive?path=/dir/file`);
  const stat = JSON.parse(Buffer.from(String(head.headers['x-docker-container-path-stat']), 'base64').toString()) as Record<string, unknown>;
  assert.equal(head.status, 200);
  assert.deepEqual(stat, { name: 'file', size: 7, mode: 2 ** 23 + 0o750, mtime: '2014-05-13T16:53:20Z', linkTarget: '' });
  const cases = [
    ['/dir', ['dir/', 'dir/file', 'dir/more']],
    ['/dir/.', ['./', './file', './more']],
    ['dir/file', ['file']],
    ['/', ['/', '/dir/', '/dir/file', '/dir/more']],
  ] as const;
  for (const [path, expected] of cases) {
    const answer = await api.call('GET', `/containers/${id}/archive?path=${path}`);
    assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/x-tar']);
    assert.deepEqual(await names(answer.text), expected, path);
  }
  assert.deepEqual(await names((await api.call('GET', `/containers/${id}/export`)).text), ['dir/', 'dir/file', 'dir/more']);
  const changes = (await api.call('GET', `/containers/${id}/changes`)).json();
  assert.deepEqual(changes, [
    { Path: '/dir', Kind: 1 },
    { Path: '/dir/file', Kind: 1 },
    { Path: '/dir/more', Kind: 1 },
  ]);
  assert.equal((await api.call('GET', `/containers/${await created(api)}/changes`)).text, 'null');
});

test('what cannot be is refused in dockerd’s words, and the connection goes on', limit, async () => {
  await using api = await openTestApi();
  const id = await created(api);
  await put(api, id, 'path=/', await archive(['dir/'], ['dir/file', 'content']));
  const large = await archive(['large', 'x'.repeat(3_000_000)]);
  const readonly = await created(api, { HostConfig: { ReadonlyRootfs: true } });
  const cases: [Answer, number, RegExp][] = [
    [await api.call('GET', `/containers/${id}/archive?path=/none`), 404, new RegExp(`^Could not find the file /none in container ${id}$`)],
    [await put(api, id, 'path=/none', large), 404, /^Could not find the file \/none in container/],
    [await put(api, id, 'path=/dir/file', large), 400, /^extraction point is not a directory$/],
    [await put(api, readonly, 'path=/', large), 403, /^container rootfs is marked read-only$/],
    [
      await put(api, id, 'path=/&noOverwriteDirNonDir=1', await archive(['dir', 'a file'])),
      400,
      /^cannot overwrite directory "\/dir" with non-directory "\/"$/,
    ],
    [await put(api, id, 'path=/dir', await archive(['../above', 'x'])), 400, /^"\.\.\/above" is outside of "\/dir"$/],
    [await put(api, id, 'path=/', Buffer.from('no tar at all. '.repeat(100))), 400, /invalid tar header/],
    [await put(api, id, 'path=/', large.subarray(0, 2_000_000)), 400, /unexpected EOF/],
    [await api.call('GET', `/containers/${id}/archive`), 400, /'path' cannot be empty/],
    [await api.call('GET', '/containers/nobody/archive?path=/'), 404, /^No such container: nobody$/],
    [await api.call('POST', '/commit?container=nobody'), 404, /^No such container: nobody$/],
    [await api.call('POST', `/commit?container=${id}&repo=UPPER`), 400, /repository name must be lowercase/],
  ];
  for (const [answer, status, words] of cases) {
    assert.equal(answer.status, status, answer.text);
    assert.match(message(answer), words);
  }
  assert.equal((await api.call('HEAD', `/containers/${id}/archive?path=/none`)).status, 404);
});

test('commit makes an image of the container’s own configuration, and lets what it froze go on', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sh', '-c', 'while :; do date +%N; sleep 0.05; done'], { Env: ['A=b'], Labels: { l: '1' } });
  const answer = await api.call('POST', `/commit?container=${id}&repo=foo/made&tag=1&comment=why&author=me&changes=CMD+x`, 'null');
  assert.equal(answer.status, 201);
  const image = (await api.call('GET', `/images/${answer.json<{ Id: string }>().Id}/json`)).json<{
    Config: { Env: string[]; Labels: object };
    RepoTags: string[];
  }>();
  assert.deepEqual(image.RepoTags, ['foo/made:1']);
  assert.ok(image.Config.Env.includes('A=b'));
  const length = async () => (await api.call('GET', `/containers/${id}/logs?stdout=1`)).text.length;
  const before = await length();
  await until('it goes on', 10_000, async () => (await length()) > before);
  assert.equal((await api.call('GET', `/containers/${id}/json`)).json<{ State: { Status: string } }>().State.Status, 'running');
});

test('a removal ends a copy that is under way', limit, async () => {
  await using api = await openTestApi();
  const id = await created(api);
  const socket = api.connect();
  socket.on('error', () => undefined);
  const answer = buffer(socket);
  socket.write(`PUT /containers/${id}/archive?path=/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const begun = (await archive(['endless', 'x'.repeat(100_000)])).subarray(0, 20_000);
  socket.write(`${begun.length.toString(16)}\r\n`);
  socket.write(begun);
  socket.write('\r\n');
  await until('something was written', 10_000, async () => (await api.call('HEAD', `/containers/${id}/archive?path=/endless`)).status === 200);
  assert.equal((await api.call('DELETE', `/containers/${id}`)).status, 204);
  socket.end();
  await answer;
  assert.deepEqual(await api.t.runtime.list(), []);
});
