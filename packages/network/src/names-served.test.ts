import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { newId } from '@berth/kit';
import { run } from '@berth/sys';
import { Fixture } from './testing/fixture.ts';
import { briefly, type Guest, until } from './testing/guest.ts';
import { inOwnNamespace } from './testing/own-namespace.ts';

/** A name server that answers every question with one address, and long ones over TCP only. Keeps what it was asked. */
class Upstream implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #datagrams = createSocket('udp4');
  readonly #server = createServer();

  static async open(port: number, address: string, on = '127.0.0.1'): Promise<Upstream> {
    const upstream = new Upstream();
    const answer = (query: Buffer, transport: string): Packet => {
      const packet = decode(query);
      const name = packet.questions?.[0]?.name ?? '';
      upstream.asked.push(`${transport} ${name}`);
      const long = name.startsWith('long') && transport === 'udp';
      const answers = long || name.startsWith('unknown') ? [] : [{ type: 'A' as const, name, ttl: 60, data: address }];
      return {
        id: packet.id ?? 0,
        type: 'response',
        flags: 0x180 | (long ? 0x200 : 0) | (name.startsWith('unknown') ? 3 : 0) | (name.startsWith('broken') ? 2 : 0),
        questions: packet.questions ?? [],
        answers,
      };
    };
    upstream.#datagrams.on('message', (query, from) => upstream.#datagrams.send(encode(answer(query, 'udp')), from.port, from.address));
    upstream.#server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => socket.end(streamEncode(answer(data.subarray(2), 'tcp'))));
    });
    await Promise.all([
      new Promise<void>((resolve) => upstream.#datagrams.bind(port, on, resolve)),
      new Promise<void>((resolve) => upstream.#server.listen(port, on, resolve)),
    ]);
    return upstream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#datagrams.close(() => resolve()));
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Addresses by the C library's own way, with the resolv.conf that the container would have. */
async function libraryLookup(guest: Guest, resolvConf: string, name: string): Promise<string[]> {
  const directory = `/etc/netns/${guest.namespace.name}`;
  await mkdir(directory, { recursive: true });
  try {
    await writeFile(`${directory}/resolv.conf`, resolvConf);
    const { stdout } = await guest.run('getent', ['ahosts', name]);
    return [
      ...new Set(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split(' ')[0] ?? ''),
      ),
    ]
      .filter((address) => address !== '')
      .sort();
  } finally {
    await rm(directory, { recursive: true });
  }
}

const none = { dns: [], search: [], options: [] };

inOwnNamespace(import.meta.url, () => {
  test('names resolve for glibc and busybox, on the segment only', async () => {
    await using upstream = await Upstream.open(5300, '198.51.100.7');
    await using fixture = await Fixture.open({ upstreams: ['127.0.0.1#5300'] });
    const front = await fixture.create('front');
    const back = await fixture.create('back');
    const web = await fixture.join(front, 'web');
    const twin = await fixture.join(front, 'web');
    const db = await fixture.join(back, 'db');
    const conf = fixture.networking.resolvConf(web.endpoint, none);
    assert.match(conf, /^nameserver 172\.17\.0\.1\n/);
    for (const name of ['web', 'WEB', 'web.front']) assert.deepEqual(await libraryLookup(twin.guest, conf, name), ['172.17.0.2', '172.17.0.3'], name);
    assert.deepEqual(await libraryLookup(twin.guest, conf, web.endpoint.containerId.slice(0, 12)), ['172.17.0.2']);
    assert.deepEqual(await libraryLookup(twin.guest, conf, 'example.org'), ['198.51.100.7']);
    assert.deepEqual(await libraryLookup(twin.guest, conf, 'unknown.example.org'), []);
    assert.deepEqual(
      upstream.asked.filter((line) => / (web|db)/.test(line)),
      [],
    );
    const busybox = await twin.guest.lookup('web', '172.17.0.1');
    assert.match(busybox.stdout, /Name:\s+web\nAddress: 172\.17\.0\.[23]/);
    assert.match((await twin.guest.lookup('2.0.17.172.in-addr.arpa', '172.17.0.1', 'ptr')).stdout, /web\.front/);
    // Another network's resolver is within reach of its host address, but has nothing to say to strangers.
    const asked = upstream.asked.length;
    const stranger = await web.guest.lookup('db', '172.18.0.1');
    assert.notEqual(stranger.exitCode, 0);
    assert.doesNotMatch(stranger.stdout, /172\.18\.0\.2/);
    assert.equal(upstream.asked.length, asked);
    assert.match((await db.guest.lookup('db', '172.18.0.1')).stdout, /172\.18\.0\.2/);
    fixture.networking.withdraw(db.endpoint);
    assert.doesNotMatch((await db.guest.lookup('db', '172.18.0.1')).stdout, /172\.18\.0\.2/);
  });

  test('a container on two networks knows the names of both', async () => {
    await using fixture = await Fixture.open({ upstreams: [] });
    const front = await fixture.create('front');
    const back = await fixture.create('back', { internal: true });
    const id = newId();
    const app = await fixture.join(front, 'app', id);
    const second = fixture.networking.allocate(back, { containerId: id, names: ['app'] });
    await app.guest.plug(fixture.networking.nic(back, second, 'eth1', false));
    fixture.networking.announce(second);
    const db = await fixture.join(back, 'db');
    assert.match((await app.guest.lookup('db', '172.17.0.1')).stdout, /172\.18\.0\.3/);
    assert.match((await app.guest.lookup('db', '172.18.0.1')).stdout, /172\.18\.0\.3/);
    assert.match((await db.guest.lookup('app', '172.18.0.1')).stdout, /172\.18\.0\.2/);
  });

  test("questions go to the container's own servers if it has any, to the next when one fails, and end in SERVFAIL", async () => {
    await using first = await Upstream.open(5300, '198.51.100.1');
    await run('ip', ['addr', 'replace', '192.0.2.1/32', 'dev', 'lo']);
    await run('ip', ['addr', 'replace', '192.0.2.2/32', 'dev', 'lo']);
    await using failing = await Upstream.open(53, '198.51.100.3', '192.0.2.1');
    await using second = await Upstream.open(53, '198.51.100.2', '192.0.2.2');
    await using fixture = await Fixture.open({ upstreams: ['127.0.0.1#5300'] });
    const front = await fixture.create('front');
    const plain = await fixture.join(front, 'plain');
    const own = await fixture.join(front, 'own');
    const lost = await fixture.join(front, 'lost');
    fixture.networking.setUpstreams(own.endpoint, ['192.0.2.9', '192.0.2.2']);
    fixture.networking.setUpstreams(lost.endpoint, ['192.0.2.9']);
    assert.match((await plain.guest.lookup('example.org', '172.17.0.1')).stdout, /198\.51\.100\.1/);
    assert.match((await own.guest.lookup('example.org', '172.17.0.1')).stdout, /198\.51\.100\.2/);
    assert.match((await lost.guest.lookup('example.org', '172.17.0.1')).stdout, /SERVFAIL/);
    fixture.networking.setUpstreams(own.endpoint, []);
    assert.match((await own.guest.lookup('example.com', '172.17.0.1')).stdout, /198\.51\.100\.1/);
    // A server that fails for this name: the answer is its failure, after all others have been asked.
    fixture.networking.setUpstreams(own.endpoint, ['192.0.2.1', '192.0.2.2']);
    assert.match((await own.guest.lookup('broken.org', '172.17.0.1')).stdout, /SERVFAIL/);
    assert.ok(second.asked.includes('udp broken.org') && failing.asked.includes('udp broken.org'));
    assert.ok(!first.asked.includes('udp broken.org'));
    // What only the host can reach is not asked on a container's behalf, however it is written.
    fixture.quiet = true;
    fixture.networking.setUpstreams(own.endpoint, [
      '127.0.0.1',
      '127.0.0.1#5300',
      '::1',
      '::ffff:127.0.0.1',
      '169.254.169.254',
      '0.0.0.0',
      'localhost',
      '192.0.2.2',
    ]);
    assert.equal(fixture.warnings.length, 1);
    assert.match((await own.guest.lookup('last.org', '172.17.0.1')).stdout, /198\.51\.100\.2/);
    assert.ok(!first.asked.includes('udp last.org'));
  });

  test('what does not fit a datagram is fetched over TCP, by the C library and through to the upstream', async () => {
    await using upstream = await Upstream.open(5300, '198.51.100.9');
    await using fixture = await Fixture.open({ upstreams: ['127.0.0.1#5300'] });
    const { endpoint, guest } = await fixture.join(await fixture.create('front'), 'a');
    assert.deepEqual(await libraryLookup(guest, fixture.networking.resolvConf(endpoint, none), 'long.example'), ['198.51.100.9']);
    assert.ok(upstream.asked.includes('tcp long.example'));
  });

  test('a resolver survives garbage on both transports', async () => {
    await using fixture = await Fixture.open({ upstreams: [] });
    const { endpoint, guest } = await fixture.join(await fixture.create('front'), 'a');
    const socket = createSocket('udp4');
    for (let size = 0; size < 200; size++) {
      const bytes = Buffer.from(Array.from({ length: size }, (_, index) => (size * 31 + index * 17) & 255));
      await new Promise<void>((resolve) => socket.send(bytes, 53, '172.17.0.1', () => resolve()));
    }
    socket.close();
    const stream = connect({ host: '172.17.0.1', port: 53 });
    const query = streamEncode({ id: 9, type: 'query', flags: 0x100, questions: [{ name: 'a', type: 'A' }] });
    const answer = new Promise<Buffer>((resolve, reject) => {
      let all = Buffer.alloc(0);
      stream.on('data', (data) => {
        all = Buffer.concat([all, data]);
        if (all.length > 2 && all.length >= 2 * (2 + all.readUInt16BE(0))) resolve(all);
      });
      stream.on('error', reject);
      stream.on('close', () => reject(new Error('closed')));
    });
    // Two questions in pieces that split them in the middle.
    const twice = Buffer.concat([query, query]);
    for (const cut of [1, 20, query.length + 1, twice.length]) stream.write(twice.subarray(stream.bytesWritten, cut));
    const [one] = [await answer];
    assert.equal((streamDecode(one).answers ?? []).length, 1);
    stream.destroy();
    const torn = connect({ host: '172.17.0.1', port: 53 });
    torn.on('error', () => undefined);
    torn.end(Buffer.from([0, 3, 1, 2, 3, 0xff, 0xff, 0]));
    await new Promise((resolve) => torn.once('close', resolve));
    // From port 0 nothing comes back, and nothing breaks: not in the resolver, not in the relay.
    await fixture.publish(endpoint, { protocol: 'udp', hostPortFirst: 5354, hostPortLast: 5354 });
    const zero = 'table ip zero { chain out { type filter hook output priority 0; udp dport { 53, 5354 } udp sport set 0 counter; }; }';
    await guest.run('nft', [zero]);
    for (const port of [53, 5354]) assert.equal(await guest.ask('udp', '172.17.0.1', port, briefly), 'timeout');
    assert.match((await guest.run('nft', ['list', 'table', 'ip', 'zero'])).stdout, /counter packets 2 /);
    await guest.run('nft', ['delete', 'table', 'ip', 'zero']);
    await fixture.networking.unpublish(endpoint.containerId);
    assert.match((await guest.lookup('a', '172.17.0.1')).stdout, /172\.17\.0\.2/);
  });

  test("where the host's own name server has port 53 everywhere, ours answers in its place on the segment", async () => {
    const host = createSocket('udp4');
    await new Promise<void>((resolve) => host.bind(53, '0.0.0.0', resolve));
    {
      await using fixture = await Fixture.open({ upstreams: [] });
      const inner = await fixture.create('inner', { internal: true });
      const { guest } = await fixture.join(inner, 'a');
      await until(async () => /172\.17\.0\.2/.test((await guest.lookup('a', '172.17.0.1')).stdout));
      await fixture.networking.remove(inner);
    }
    await new Promise<void>((resolve) => host.close(() => resolve()));
  });

  test('the default network has no names; its containers are forwarded, or use the servers they were given', async () => {
    await using upstream = await Upstream.open(5300, '198.51.100.7');
    await using fixture = await Fixture.open({ upstreams: ['127.0.0.1#5300'] });
    const bridge = await fixture.create('bridge', { isDefault: true });
    assert.equal(bridge.bridge, 'btt0');
    const a = await fixture.join(bridge, 'a');
    const b = await fixture.join(bridge, 'b');
    assert.equal(await a.guest.pings(b.endpoint.ipv4.address), true);
    assert.match((await a.guest.lookup('example.org', '172.17.0.1')).stdout, /198\.51\.100\.7/);
    await a.guest.lookup('b', '172.17.0.1');
    assert.ok(upstream.asked.includes('udp b'));
    assert.match(fixture.networking.resolvConf(a.endpoint, none), /^nameserver 172\.17\.0\.1\n/);
    assert.doesNotMatch(fixture.networking.resolvConf(a.endpoint, none), /ndots/);
    assert.match(fixture.networking.resolvConf(a.endpoint, { ...none, dns: ['9.9.9.9'] }), /^nameserver 9\.9\.9\.9\n/);
  });
});
