import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { BodyReader, BodyWriter } from './body.ts';
import { GuestConnection } from './connection.ts';
import { encodeFrame, FrameParser, MORE } from './frame.ts';
import { toAgent, toHost } from './messages.ts';

/** The other end of a connection, played by hand. */
function pair(): { host: Duplex; say(bytes: Buffer): void; heard: { type: number; stream: number; body: Buffer }[] } {
  const heard: { type: number; stream: number; body: Buffer }[] = [];
  const parser = new FrameParser((frame) => heard.push({ type: frame.type, stream: frame.stream, body: Buffer.from(frame.payload) }));
  const host = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      parser.push(chunk);
      done();
    },
  });
  return { host, heard, say: (bytes) => host.push(bytes) };
}

function welcome(nonce: bigint, protocol = 1): Buffer {
  const body = new BodyWriter().u64(nonce).u32(protocol).string('a').string('k').string('running').u64(5).done();
  return encodeFrame(toHost.welcome, 0, body);
}

/** A greeted connection. */
async function greeted() {
  const other = pair();
  const connection = new GuestConnection(other.host);
  const hello = connection.hello();
  const nonce = new BodyReader(other.heard[0]?.body ?? Buffer.alloc(0)).u64();
  other.say(welcome(nonce));
  assert.equal((await hello).startedAtMs, 5);
  return { ...other, connection };
}

test('what comes before the answer to this hello is not believed', async () => {
  const other = pair();
  const connection = new GuestConnection(other.host);
  const taken: string[] = [];
  connection.follow({ position: 0, write: (_stream, data) => void taken.push(data.toString()) });
  const hello = connection.hello({ resume: true });
  const greeting = other.heard.find((message) => message.type === toAgent.hello);
  const nonce = new BodyReader(greeting?.body ?? Buffer.alloc(0)).u64();
  const forged = encodeFrame(toHost.journal, 0, new BodyWriter().u64(0).u8(1).done());
  other.say(Buffer.concat([forged, welcome(nonce + 1n), forged, randomBytes(100), Buffer.alloc(40_000), welcome(nonce)]));
  assert.equal((await hello).phase, 'running');
  assert.deepEqual(taken, []);
});

test('another protocol is refused by name', async () => {
  const other = pair();
  const connection = new GuestConnection(other.host);
  const hello = connection.hello();
  other.say(welcome(new BodyReader(other.heard[0]?.body ?? Buffer.alloc(0)).u64(), 2));
  await assert.rejects(hello, { code: 'agent-incompatible' });
});

test('requests end with the connection', async () => {
  const { connection, host } = await greeted();
  const asked = connection.processes();
  host.destroy();
  await assert.rejects(asked, { code: 'agent-lost' });
  await assert.rejects(connection.statistics(), { code: 'agent-lost' });
  await connection.closed;
});

test('faults come as faults, an unknown code as an internal one', async () => {
  const { connection, heard, say } = await greeted();
  const asked = [connection.freeze(true), connection.freeze(false)];
  const answers = [
    ['user-not-found', 'no such user'],
    ['no-such-code', 'hm'],
  ] as const;
  answers.forEach(([code, text], i) => {
    say(encodeFrame(toHost.fault, heard.at(i - 2)?.stream ?? 0, new BodyWriter().string(code).string(text).done()));
  });
  await assert.rejects(asked[0] ?? Promise.resolve(), { code: 'user-not-found', kind: 'invalid', message: 'no such user' });
  await assert.rejects(asked[1] ?? Promise.resolve(), { code: 'agent-failed', kind: 'internal' });
});

test('a guest gone mad ends its own connection and nothing else', async () => {
  const mad: ((say: (bytes: Buffer) => void, heard: { stream: number }[]) => void)[] = [
    (say, heard) => say(encodeFrame(toHost.reply, heard.at(-1)?.stream ?? 0, Buffer.from([255, 255, 255, 255, 1]))),
    (say) => say(encodeFrame(toHost.exit, 0, Buffer.alloc(3))),
    (say) => say(encodeFrame(toHost.fault, 1, Buffer.alloc(2))),
    (say) => {
      for (let i = 0; i < 300; i++) say(encodeFrame(toHost.reply, 9, Buffer.alloc(30_000), MORE));
    },
    (say) => {
      for (let i = 0; i < 100; i++) {
        say(
          encodeFrame(
            toHost.journal,
            0,
            Buffer.concat([
              new BodyWriter()
                .u64(i * 30_000)
                .u8(1)
                .done(),
              Buffer.alloc(30_000),
            ]),
          ),
        );
      }
    },
  ];
  for (const [i, act] of mad.entries()) {
    const { connection, heard, say } = await greeted();
    connection.follow({ position: 0, write: () => new Promise(() => undefined) });
    const asked = connection.processes();
    asked.catch(() => undefined);
    act(say, heard);
    if (i === 0) await assert.rejects(asked, RangeError);
    else await assert.rejects(asked, { code: 'agent-lost' });
  }
});
