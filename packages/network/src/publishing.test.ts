import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { newId } from '@berth/kit';
import type { PortRequest } from './index.ts';
import { Fixture, ourElements } from './testing/fixture.ts';
import { ask } from './testing/guest.ts';
import { inOwnNamespace } from './testing/own-namespace.ts';

const tcp = (first: number, last = first, more: Partial<PortRequest> = {}): PortRequest => ({
  protocol: 'tcp',
  containerPort: 80,
  hostAddress: '',
  hostPortFirst: first,
  hostPortLast: last,
  ...more,
});

async function listening(port: number, host = '0.0.0.0'): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, ipv6Only: true }, resolve);
  });
  return server;
}

inOwnNamespace(import.meta.url, () => {
  test('taken ports: ours and foreign ones are told apart, and all or nothing is published', async () => {
    await using fixture = await Fixture.open();
    const publish = (id: string, ...requests: PortRequest[]) => fixture.networking.publish(id, { ipv4: '172.17.0.9' }, requests);
    const [one, two] = [newId(), newId()];
    await publish(one, tcp(8080));
    const before = await ourElements();
    await assert.rejects(publish(two, tcp(8081), tcp(8080)), { code: 'port-in-use', message: 'Bind for 0.0.0.0:8080 failed: port is already allocated' });
    await assert.rejects(publish(two, tcp(8080, 8080, { hostAddress: '127.0.0.1' })), { message: 'Bind for 127.0.0.1:8080 failed: port is already allocated' });
    assert.deepEqual(await ourElements(), before);
    // 8081 is free again: somebody else can have it, and then it is the other kind of taken.
    const foreign = await listening(8081);
    await assert.rejects(publish(two, tcp(8082), tcp(8081)), { code: 'port-in-use', message: 'listen tcp4 0.0.0.0:8081: bind: address already in use' });
    foreign.close();
    const datagrams = createSocket('udp4');
    await new Promise<void>((resolve) => datagrams.bind(8083, '127.0.0.1', resolve));
    await assert.rejects(publish(two, tcp(8083, 8083, { protocol: 'udp' })), { message: 'listen udp4 0.0.0.0:8083: bind: address already in use' });
    await new Promise<void>((resolve) => datagrams.close(() => resolve()));
    const onlyV6 = await listening(8084, '::');
    await assert.rejects(publish(two, tcp(8084)), { message: 'listen tcp6 [::]:8084: bind: address already in use' });
    await publish(two, tcp(8084, 8084, { hostAddress: '0.0.0.0' }));
    onlyV6.close();
    await assert.rejects(publish(newId(), tcp(8085, 8085, { hostAddress: '203.0.113.1' })), {
      code: 'address-unavailable',
      message: 'listen tcp4 203.0.113.1:8085: bind: cannot assign requested address',
    });
    // The same number under the other protocol is another port.
    await publish(newId(), tcp(8080, 8080, { protocol: 'udp' }));
    await fixture.networking.unpublish(one);
    await publish(newId(), tcp(8080));
    // And while it is ours, nobody else gets it.
    await assert.rejects(listening(8080), { code: 'EADDRINUSE' });
    await assert.rejects(listening(8080, '::'), { code: 'EADDRINUSE' });
  });

  test('a range gives its first free port, and says so when none is free', async () => {
    await using fixture = await Fixture.open();
    const foreign = await listening(9001);
    const ids = [newId(), newId(), newId()];
    const given: number[] = [];
    for (const id of ids) given.push((await fixture.networking.publish(id, { ipv4: '172.17.0.9' }, [tcp(9000, 9003)]))[0]?.hostPort ?? 0);
    assert.deepEqual(given, [9000, 9002, 9003]);
    await assert.rejects(fixture.networking.publish(newId(), { ipv4: '172.17.0.9' }, [tcp(9000, 9003)]), { code: 'port-in-use' });
    foreign.close();
    assert.equal((await fixture.networking.publish(newId(), { ipv4: '172.17.0.9' }, [tcp(9000, 9003)]))[0]?.hostPort, 9001);
    await assert.rejects(fixture.networking.publish(newId(), { ipv4: '172.17.0.9' }, [tcp(9000, 9003)]), {
      code: 'port-in-use',
      message: 'all ports are allocated',
    });
    await assert.rejects(fixture.networking.publish(newId(), { ipv4: '172.17.0.9' }, [tcp(0, 70_000)]), { code: 'port-invalid' });
  });

  test('fifty publications at once never get the same port', async () => {
    await using fixture = await Fixture.open();
    const all = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) =>
        fixture.networking.publish(newId(), { ipv4: `172.17.1.${index + 1}` }, [tcp(0, 0), tcp(9100, 9139), tcp(0, 0, { protocol: 'udp' })]),
      ),
    );
    const done = all.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(done.length, 40);
    const ports = done.flat().map((publication) => `${publication.protocol} ${publication.hostPort}`);
    assert.equal(new Set(ports).size, 120);
    assert.deepEqual(new Set(done.map((publications) => publications[1]?.hostPort)), new Set(Array.from({ length: 40 }, (_, index) => 9100 + index)));
    assert.deepEqual((await ourElements()).sort(), ['own_ports: 120', 'published_any: 120']);
  });

  test('publishing the same again changes nothing; publishing something else replaces it', async () => {
    await using fixture = await Fixture.open();
    const id = newId();
    const [first] = await fixture.networking.publish(id, { ipv4: '172.17.0.9' }, [tcp(0, 0)]);
    assert.deepEqual(await fixture.networking.publish(id, { ipv4: '172.17.0.9' }, [tcp(0, 0)]), [first]);
    const [second] = await fixture.networking.publish(id, { ipv4: '172.17.0.9' }, [tcp(9200)]);
    assert.equal(second?.hostPort, 9200);
    assert.deepEqual((await ourElements()).sort(), ['own_ports: 1', 'published_any: 1']);
    await fixture.networking.unpublish(id);
    await fixture.networking.unpublish(id);
    assert.deepEqual(await ourElements(), []);
  });

  test('ports stay reachable while no daemon runs, and the next one takes them up again', async () => {
    await using fixture = await Fixture.open();
    const network = await fixture.create('front');
    const web = await fixture.join(network, 'web');
    await web.guest.serve('tcp', 80, 'web');
    const publications = await fixture.networking.publish(web.endpoint.containerId, { ipv4: web.endpoint.ipv4.address }, [tcp(0, 0)]);
    const port = publications[0]?.hostPort ?? 0;
    await fixture.networking[Symbol.asyncDispose]();
    assert.equal(await ask('tcp', '127.0.0.1', port), 'web 172.17.0.1');
    await fixture.reopen();
    await fixture.networking.restore([network], [web.endpoint]);
    await fixture.networking.sweep([network]);
    assert.equal(await ask('tcp', '127.0.0.1', port), 'web 172.17.0.1');
    assert.deepEqual(await fixture.networking.publish(web.endpoint.containerId, { ipv4: web.endpoint.ipv4.address }, [tcp(0, 0)], publications), publications);
    await assert.rejects(listening(port), { code: 'EADDRINUSE' });
    assert.equal(await ask('tcp', '::1', port), 'web 172.17.0.1');
    // The next daemon but one is told that the container has ended.
    await fixture.reopen();
    await fixture.networking.restore([network], [web.endpoint]);
    await fixture.networking.unpublish(web.endpoint.containerId);
    assert.equal(await ask('tcp', '127.0.0.1', port), 'ECONNREFUSED');
  });

  test('a port that another program took while no daemon ran still leads to the container', async () => {
    await using fixture = await Fixture.open();
    const network = await fixture.create('front');
    const web = await fixture.join(network, 'web');
    await web.guest.serve('tcp', 80, 'web');
    const publications = await fixture.networking.publish(web.endpoint.containerId, { ipv4: web.endpoint.ipv4.address }, [tcp(9300)]);
    await fixture.networking[Symbol.asyncDispose]();
    const thief = await listening(9300);
    await fixture.reopen();
    fixture.quiet = true;
    await fixture.networking.restore([network], [web.endpoint]);
    assert.deepEqual(await fixture.networking.publish(web.endpoint.containerId, { ipv4: web.endpoint.ipv4.address }, [tcp(9300)], publications), publications);
    assert.deepEqual(fixture.warnings, ['a published port could not be reserved again']);
    assert.equal(await ask('tcp', '127.0.0.1', 9300), 'web 172.17.0.1');
    thief.close();
  });

  test('a container in two networks answers the host at the gateway of either', async () => {
    await using fixture = await Fixture.open();
    const [front, back] = [await fixture.create('front'), await fixture.create('back')];
    const web = await fixture.join(front, 'web');
    const other = await fixture.joinAlso(back, web);
    await web.guest.serve('tcp', 80, 'web');
    await fixture.networking.publish(web.endpoint.containerId, { ipv4: web.endpoint.ipv4.address }, [tcp(9350)]);
    const [one, two] = [front, back].map((network) => network.pools[0]?.gateway ?? '');
    assert.equal(await ask('tcp', one as string, 9350), `web ${one}`);
    assert.equal(await ask('tcp', two as string, 9350), `web ${one}`);
    await fixture.networking.publish(web.endpoint.containerId, { ipv4: other.ipv4.address }, [tcp(9350)]);
    assert.equal(await ask('tcp', one as string, 9350), `web ${two}`);
    assert.equal(await ask('tcp', two as string, 9350), `web ${two}`);
  });

  test('a container that does not listen refuses, also through the relay', async () => {
    await using fixture = await Fixture.open();
    const web = await fixture.join(await fixture.create('front'), 'web');
    await fixture.publish(web.endpoint, { hostPortFirst: 9400, hostPortLast: 9400 });
    assert.equal(await ask('tcp', '127.0.0.1', 9400), 'ECONNREFUSED');
    assert.equal(await ask('tcp', '::1', 9400), 'ECONNRESET');
    await fixture.networking.unpublish(web.endpoint.containerId);
  });
});
