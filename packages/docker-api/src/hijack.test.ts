import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FrameReader } from '@berth/docker-wire';
import { openTestApi, type TestApi } from './stand-ins/test-api.ts';

const limit = { timeout: 30_000 };

/** Everything until the server closes. */
async function whole(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  await once(socket, 'end', { signal: AbortSignal.timeout(20_000) });
  socket.destroy();
  return Buffer.concat(parts);
}

function split(answer: Buffer): { head: string; body: Buffer } {
  const at = answer.indexOf('\r\n\r\n');
  return { head: answer.subarray(0, at).toString(), body: answer.subarray(at + 4) };
}

function output(body: Buffer): { stdout: string; stderr: string } {
  const frames = new FrameReader().push(body);
  const of = (stream: string) => Buffer.concat(frames.filter((one) => one.stream === stream).map((one) => one.data)).toString();
  return { stdout: of('stdout'), stderr: of('stderr') };
}

const attachHead = (id: string, query: string, upgrade = true) =>
  `POST /v1.50/containers/${id}/attach?${query} HTTP/1.1\r\nHost: docker\r\nContent-Type: text/plain\r\n${upgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : ''}\r\n`;

async function execHead(api: TestApi, container: string, body: Record<string, unknown>): Promise<string> {
  const made = await api.call('POST', `/containers/${container}/exec`, { AttachStdin: true, AttachStdout: true, AttachStderr: true, ...body });
  const start = JSON.stringify({ Detach: false, Tty: body['Tty'] === true });
  return `POST /v1.50/exec/${made.json<{ Id: string }>().Id}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: ${start.length}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n${start}`;
}

test('stdin glued to the request, and the half-close behind it, reach the process', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '60']);
  const socket = api.connect();
  socket.end(`${await execHead(api, id, { Cmd: ['cat'] })}glued to the request`);
  const { head, body } = split(await whole(socket));
  assert.match(head, /^HTTP\/1\.1 101 UPGRADED\r\n/);
  assert.match(head, /Content-Type: application\/vnd\.docker\.multiplexed-stream/);
  assert.match(head, /Upgrade: tcp/);
  assert.equal(output(body).stdout, 'glued to the request');
});

test('a request cut into single bytes is still taken over, with nothing lost', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '60']);
  const socket = api.connect();
  const answer = whole(socket);
  for (const byte of `${await execHead(api, id, { Cmd: ['cat'] })}one by one`) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  assert.equal(output(split(await answer).body).stdout, 'one by one');
});

test('stdin sent as soon as the head is there is not lost while the command starts', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '60']);
  const socket = api.connect();
  const answer = whole(socket);
  socket.once('data', () => socket.end('early'));
  socket.write(await execHead(api, id, { Cmd: ['cat'] }));
  assert.equal(output(split(await answer).body).stdout, 'early');
});

test('three megabytes pass through cat unchanged', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '60']);
  const data = Buffer.alloc(3 << 20, 'The quick brown fox. ');
  const socket = api.connect();
  const answer = whole(socket);
  socket.write(await execHead(api, id, { Cmd: ['cat'] }));
  socket.end(data);
  assert.ok(Buffer.from(output(split(await answer).body).stdout).equals(data));
});

test('a client that asks for no upgrade gets a plain 200 that ends with the connection', limit, async () => {
  await using api = await openTestApi();
  const made = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['sh', '-c', 'echo out; echo err >&2'] });
  const { Id } = made.json<{ Id: string }>();
  const socket = api.connect();
  const answer = whole(socket);
  socket.write(attachHead(Id, 'stream=1&stdout=1&stderr=1', false));
  await once(socket, 'data');
  await api.call('POST', `/containers/${Id}/start`);
  const { head, body } = split(await answer);
  assert.match(head, /^HTTP\/1\.1 200 OK/);
  assert.doesNotMatch(head, /Upgrade/);
  assert.deepEqual(output(body), { stdout: 'out\n', stderr: 'err\n' });
});

test('closing the sending side leaves the output alone, also when stdin was not asked for', limit, async () => {
  await using api = await openTestApi();
  const { Id } = (await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['sh', '-c', 'sleep 0.2; echo late'] })).json<{ Id: string }>();
  const socket = api.connect();
  const answer = whole(socket);
  socket.end(attachHead(Id, 'stream=1&stdout=1&stderr=1'));
  await once(socket, 'data');
  await api.call('POST', `/containers/${Id}/start`);
  assert.equal(output(split(await answer).body).stdout, 'late\n');
});

test('a client that vanishes stops nothing but its own watching', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sh', '-c', 'while :; do echo tick; sleep 0.02; done']);
  const socket = api.connect();
  socket.write(attachHead(id, 'stream=1&stdout=1'));
  await once(socket, 'data');
  socket.destroy();
  const logs = await api.call('GET', `/containers/${id}/json`);
  assert.equal(logs.json<{ State: { Running: boolean } }>().State.Running, true);
});

test('errors before the takeover are ordinary answers', limit, async () => {
  await using api = await openTestApi();
  const ask = async (head: string) => split(await whole(api.connect().end(head)));
  const missing = await ask(attachHead('nosuch', 'stream=1'));
  assert.match(missing.head, /^HTTP\/1\.1 404 /);
  assert.match(missing.head, /content-type: application\/json\r\n/i);
  assert.deepEqual(JSON.parse(missing.body.toString()), { message: 'No such container: nosuch' });
  const id = await api.run(['sleep', '60']);
  const keys = await ask(attachHead(id, 'stream=1&detachKeys=ctrl-nope'));
  assert.match(keys.head, /^HTTP\/1\.1 400 /);
  assert.deepEqual(JSON.parse(keys.body.toString()), { message: 'Invalid detach keys (ctrl-nope) provided' });
});

test('the detach keys end the attachment to a terminal, not the process', limit, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sh'], { Tty: true, OpenStdin: true });
  const socket = api.connect();
  const answer = whole(socket);
  socket.write(attachHead(id, 'stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,b'));
  socket.write(Buffer.from('echo typ\x01ed\n\x01b'));
  const { head, body } = split(await answer);
  assert.match(head, /raw-stream/);
  assert.ok(body.length >= 0);
  assert.equal((await api.call('GET', `/containers/${id}/json`)).json<{ State: { Running: boolean } }>().State.Running, true);
});

test('closing the endpoint ends open streams', limit, async () => {
  const api = await openTestApi();
  const id = await api.run(['sleep', '60']);
  const socket = startAttach(api, id);
  const attached = whole(socket);
  await once(socket, 'data');
  const before = performance.now();
  await api[Symbol.asyncDispose]();
  await attached;
  assert.ok(performance.now() - before < 8_000);
});

function startAttach(api: TestApi, id: string): Socket {
  const socket = api.connect();
  socket.write(attachHead(id, 'stream=1&stdout=1'));
  return socket;
}
