import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { SocketDoor } from '@berth/runtime';
import { containerSpec, processSpec } from './testing/container.ts';
import { NativeAgent } from './testing/native-agent.ts';

const limit = { timeout: 60_000 };
const target = (agent: NativeAgent, name = 'mounted') => join(agent.directory, name);

/** A container with one socket mount that leads to a server here. */
async function relayed(t: TestContext, serve: (socket: Socket) => void) {
  const agent = await NativeAgent.open();
  t.after(() => agent[Symbol.asyncDispose]());
  const server: Server = createServer({ allowHalfOpen: true }, serve).listen(join(agent.directory, 'host'));
  await once(server, 'listening');
  t.after(() => server.close());
  const door: SocketDoor = (name) => (name === target(agent) ? createConnection({ path: join(agent.directory, 'host'), allowHalfOpen: true }) : undefined);
  const connection = await agent.prepared();
  connection.serveSockets(door);
  const socket = { type: 'socket', readonly: false, mode: 0o600, owner: 0, group: 0 } as const;
  const mounts = [
    { ...socket, target: target(agent) },
    { ...socket, target: target(agent, 'nowhere'), mode: 0o666 },
  ];
  await connection.start({ ...containerSpec(processSpec(['sleep', '60'])), mounts });
  return { agent, connection, door };
}

const call = (path: string) => createConnection({ path, allowHalfOpen: true });

async function everything(socket: Socket): Promise<Buffer> {
  return Buffer.concat(await socket.toArray());
}

const sum = (data: Buffer) => createHash('sha256').update(data).digest('hex');

test('what goes in comes back whole, each direction ends for itself', limit, async (t) => {
  const { agent } = await relayed(t, (socket) => {
    const parts: Buffer[] = [];
    socket.on('data', (part) => parts.push(part));
    // Answers only once it knows that nothing more comes: a half-closed connection, as an attach is.
    socket.on('end', () => socket.end(Buffer.concat(parts)));
  });
  const data = randomBytes(3_000_000);
  const answers = await Promise.all(
    [data, data.subarray(1), Buffer.alloc(0)].map((piece) => {
      const socket = call(target(agent));
      socket.end(piece);
      return everything(socket);
    }),
  );
  assert.deepEqual(answers.map(sum), [data, data.subarray(1), Buffer.alloc(0)].map(sum));
  assert.equal(statSync(target(agent, 'nowhere')).mode & 0o777, 0o666);
});

test('one that leads nowhere is hung up on', limit, async (t) => {
  const { agent } = await relayed(t, (socket) => socket.end('never'));
  const socket = call(target(agent, 'nowhere'));
  socket.end();
  assert.equal((await everything(socket)).length, 0);
});

test('more than may be open at a time wait their turn', limit, async (t) => {
  let open = 0;
  let most = 0;
  const { agent } = await relayed(t, (socket) => {
    most = Math.max(most, ++open);
    socket.on('close', () => open--);
    socket.on('data', (data) => setTimeout(() => socket.end(data), 20));
  });
  const answers = await Promise.all(
    Array.from({ length: 110 }, async (_, i) => {
      const socket = call(target(agent));
      socket.write(`number ${i}`);
      const answer = (await everything(socket)).toString();
      socket.end();
      return answer;
    }),
  );
  assert.deepEqual(
    answers,
    Array.from({ length: 110 }, (_, i) => `number ${i}`),
  );
  // An end is known here a little later than there.
  assert.ok(most <= 70 && most > 8, `${most} at a time`);
});

test('a side that does not read holds the other back, in both directions', limit, async (t) => {
  const sockets: Socket[] = [];
  let sent = 0;
  const flood = (socket: Socket, count: (bytes: number) => void) => {
    const piece = Buffer.alloc(64 << 10);
    const write = () => {
      while (!socket.destroyed && socket.write(piece, () => count(piece.length)));
      socket.once('drain', write);
    };
    write();
  };
  const { agent, connection } = await relayed(t, (socket) => {
    socket.pause();
    socket.on('error', () => undefined);
    sockets.push(socket);
    flood(socket, (bytes) => (sent += bytes));
  });
  const client = call(target(agent));
  client.pause();
  client.on('error', () => undefined);
  let given = 0;
  flood(client, (bytes) => (given += bytes));
  for (let before = -1; before !== sent + given; await delay(300)) before = sent + given;
  assert.ok(sent < 3 << 20 && given < 3 << 20, `${sent} and ${given} bytes were taken`);
  // The line is nobody's to block.
  assert.ok((await connection.processes()).length > 0);
  const heard = new Promise((resolve) => sockets[0]?.once('close', resolve));
  client.destroy();
  sockets[0]?.resume();
  await heard;
});

test('who hangs up is noticed on the other side, whoever it is', limit, async (t) => {
  const closed = Promise.withResolvers<unknown>();
  let rounds = 0;
  const { agent } = await relayed(t, (socket) => {
    socket.on('error', () => undefined);
    if (rounds++ === 0) socket.on('end', () => closed.resolve(socket.destroy()));
    // Reads, says nothing and never ends its half.
    socket.resume();
    if (rounds === 2) setTimeout(() => socket.destroy(), 50);
  });
  const first = call(target(agent));
  first.write('x', () => setTimeout(() => first.destroy(), 50));
  await closed.promise;
  const second = call(target(agent));
  second.write('x');
  assert.equal((await everything(second)).length, 0);
  second.destroy();
});

test('without a daemon callers wait; the next one serves them; what was open has ended', limit, async (t) => {
  const { agent, connection, door } = await relayed(t, (socket) => socket.on('data', (data) => socket.write(data)));
  const before = call(target(agent));
  before.write('here');
  assert.equal(String((await once(before, 'data'))[0]), 'here');
  const ended = everything(before);
  await connection[Symbol.asyncDispose]();
  assert.equal((await ended).length, 0);
  before.destroy();
  const waiting = call(target(agent));
  waiting.write('patience');
  const answer = once(waiting, 'data');
  await delay(100);
  const next = await agent.connect({ resume: true, door });
  assert.equal(String((await answer)[0]), 'patience');
  waiting.destroy();
  await next[Symbol.asyncDispose]();
});
