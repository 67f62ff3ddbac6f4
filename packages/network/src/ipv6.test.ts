import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSysctl, run } from '@berth/sys';
import { dropped, Fixture } from './testing/fixture.ts';
import { ask, briefly, serve } from './testing/guest.ts';
import { outside } from './testing/outside.ts';
import { inOwnNamespace } from './testing/own-namespace.ts';

const dual = (subnet: string, more: object = {}) => ({ enableIpv6: true, pools: [{ subnet, gateway: subnet.replace('/64', '1') }], ...more });

/** The attempt times out, and the counter says that it was for that reason. */
async function refused(counter: string, attempt: () => Promise<string>): Promise<void> {
  const before = await dropped(counter);
  assert.equal(await attempt(), 'timeout');
  assert.ok((await dropped(counter)) > before, counter);
}

inOwnNamespace(import.meta.url, () => {
  test('containers have IPv6 where the network has: among themselves, out under the address of the host, and names for it', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const network = await fixture.create('six', dual('fd00:6::/64'));
    const [a, b] = [await fixture.join(network, 'a'), await fixture.join(network, 'b')];
    await serve(world, 'tcp', 80, 'world', '::');
    await b.guest.serve('tcp', 80, 'b', '::');
    assert.equal(await a.guest.ask('tcp', 'fd00:6::3', 80), 'b fd00:6::2');
    assert.equal(await a.guest.ask('tcp', 'fd99::2', 80), 'world fd99::1');
    assert.match((await a.guest.lookup('b', '172.17.0.1', 'aaaa')).stdout, /fd00:6::3/);
    assert.equal(await readSysctl(['net', 'ipv6', 'conf', network.bridge, 'accept_ra']), '0');
    await refused('drop_inbound', () => ask('tcp', 'fd00:6::3', 80, world, { waitMs: briefly }));
    // A network that was not asked to have it offers nothing to speak IPv6 with.
    const plain = await fixture.create('plain');
    assert.equal(await readSysctl(['net', 'ipv6', 'conf', plain.bridge, 'disable_ipv6']), '1');
  });

  test('published ports: translated for IPv6 where the container has it, relayed where it has not, and from ::1', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const [six, plain] = [await fixture.create('six', dual('fd00:6::/64')), await fixture.create('plain')];
    const [a, b] = [await fixture.join(six, 'a'), await fixture.join(plain, 'b')];
    await a.guest.serve('tcp', 80, 'six', '::');
    await a.guest.serve('udp', 53, 'datagram', '::');
    await b.guest.serve('tcp', 80, 'plain', '0.0.0.0');
    await fixture.publish(
      a.endpoint,
      { hostPortFirst: 8080, hostPortLast: 8080 },
      { protocol: 'udp', containerPort: 53, hostPortFirst: 8053, hostPortLast: 8053 },
    );
    await fixture.publish(b.endpoint, { hostPortFirst: 8081, hostPortLast: 8081 });
    // The client's own address: no relay in between.
    assert.equal(await ask('tcp', 'fd99::1', 8080, world), 'six fd99::2');
    assert.equal(await ask('udp', 'fd99::1', 8053, world), 'datagram fd99::2');
    assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'six ::ffff:10.99.0.2');
    assert.equal(await ask('tcp', 'fd99::1', 8081, world), 'plain 172.18.0.1');
    assert.equal(await ask('tcp', '::1', 8080), 'six fd00:6::1');
    assert.equal(await ask('tcp', '::1', 8081), 'plain 172.18.0.1');
    // Its own published port, by the relay.
    assert.equal(await a.guest.ask('tcp', 'fd00:6::1', 8080), 'six fd00:6::1');
    // From a network that is another's: as with IPv4.
    await refused('drop_isolation', async () => {
      const other = await fixture.join(await fixture.create('other', dual('fd00:7::/64')), 'c');
      return await other.guest.ask('tcp', 'fd99::1', 8080, briefly);
    });
    await fixture.networking.unpublish(a.endpoint.containerId);
    assert.equal(await ask('tcp', 'fd99::1', 8080, world), 'ECONNREFUSED');
    await fixture.publish(a.endpoint, { hostAddress: 'fd99::1', hostPortFirst: 8080, hostPortLast: 8080 });
    assert.equal(await ask('tcp', 'fd99::1', 8080, world), 'six fd99::2');
    assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'ECONNREFUSED');
    await fixture.publish(a.endpoint, { hostAddress: '::1', hostPortFirst: 8080, hostPortLast: 8080 });
    assert.equal(await ask('tcp', 'fd99::1', 8080, world), 'ECONNREFUSED');
    assert.equal(await ask('tcp', '::1', 8080), 'six fd00:6::1');
    for (const one of [a, b]) await fixture.networking.unpublish(one.endpoint.containerId);
  });

  test('networks are apart over IPv6 too; an internal one has its segment and nothing else', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const inner = await fixture.create('inner', dual('fd00:6::/64', { internal: true }));
    const outer = await fixture.create('outer', dual('fd00:7::/64'));
    const [a, b, c] = [await fixture.join(inner, 'a'), await fixture.join(inner, 'b'), await fixture.join(outer, 'c')];
    assert.equal(fixture.networking.nic(inner, a.endpoint, 'eth0', true).ipv6Gateway, undefined);
    await a.guest.run('ip', ['-6', 'route', 'add', 'default', 'via', 'fd00:6::1']);
    await serve(world, 'tcp', 80, 'world', '::');
    await b.guest.serve('tcp', 80, 'b', '::');
    assert.equal(await a.guest.ask('tcp', 'fd00:6::3', 80), 'b fd00:6::2');
    await refused('drop_internal', () => a.guest.ask('tcp', 'fd99::2', 80, briefly));
    await refused('drop_host', () => a.guest.ask('tcp', 'fd00:6::1', 22, briefly));
    await refused('drop_host', () => a.guest.ask('tcp', 'fd99::1', 22, briefly));
    await refused('drop_isolation', () => c.guest.ask('tcp', 'fd00:6::3', 80, briefly));
    assert.equal(await c.guest.ask('tcp', 'fd00:7::1', 22), 'ECONNREFUSED', 'as in Docker, the host answers');
  });

  test('a container can be neither another network, nor a router, and reaches no metadata', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const network = await fixture.create('six', dual('fd00:6::/64'));
    const { guest } = await fixture.join(network, 'a');
    await serve(world, 'tcp', 80, 'secret', '::');
    await run('ip', ['-6', 'route', 'add', 'fd00:ec2::254/128', 'via', 'fd99::2']);
    await refused('drop_link_local', () => guest.ask('tcp', 'fd00:ec2::254', 80, briefly));
    await run('ip', ['-6', 'route', 'del', 'fd00:ec2::254/128']);
    await guest.run('ip', ['addr', 'add', 'fd77::5/128', 'dev', 'eth0', 'nodad']);
    const before = await dropped('drop_spoofed');
    await guest.run('busybox', ['ping6', '-c', '1', '-W', '1', '-I', 'fd77::5', 'fd99::2']);
    assert.ok((await dropped('drop_spoofed')) > before);
    // An advertisement to all nodes (RFC 4861 4.2), as a router would send it: 12 octets behind the kernel's own checksum.
    const advertise = `import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes([134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]), ('ff02::1', 0, 0, socket.if_nametoindex('eth0')))`;
    const routers = await dropped('drop_router');
    const sent = await guest.run('python3', ['-c', advertise]);
    assert.equal(sent.exitCode, 0, sent.stderr);
    assert.ok((await dropped('drop_router')) > routers);
  });

  test('a firewall of the host that drops IPv6 by default does not cut containers off', async () => {
    await using world = await outside();
    await run('ip6tables', ['-P', 'FORWARD', 'DROP']);
    try {
      await using fixture = await Fixture.open();
      const { guest } = await fixture.join(await fixture.create('six', dual('fd00:6::/64')), 'a');
      await serve(world, 'tcp', 80, 'world', '::');
      assert.equal(await guest.ask('tcp', 'fd99::2', 80), 'world fd99::1');
    } finally {
      assert.doesNotMatch((await run('ip6tables', ['-S'])).stdout, /berth/);
      await run('ip6tables', ['-P', 'FORWARD', 'ACCEPT']);
    }
  });

  test('a new daemon finds it all again', async () => {
    await using fixture = await Fixture.open();
    const network = await fixture.create('six', dual('fd00:6::/64'));
    const { endpoint, guest } = await fixture.join(network, 'a');
    await guest.serve('tcp', 80, 'six', '::');
    const publications = await fixture.networking.publish(endpoint.containerId, { ipv4: endpoint.ipv4.address, ipv6: endpoint.ipv6?.address ?? '' }, [
      { protocol: 'tcp', containerPort: 80, hostAddress: '', hostPortFirst: 8080, hostPortLast: 8080 },
    ]);
    await fixture.reopen();
    await fixture.networking.restore([network], [endpoint]);
    await fixture.networking.sweep([network]);
    assert.equal(await ask('tcp', 'fd00:6::1', 8080), 'six fd00:6::1', 'without the daemon having published anything yet');
    await fixture.networking.publish(
      endpoint.containerId,
      { ipv4: endpoint.ipv4.address, ipv6: endpoint.ipv6?.address ?? '' },
      [{ protocol: 'tcp', containerPort: 80, hostAddress: '', hostPortFirst: 8080, hostPortLast: 8080 }],
      publications,
    );
    assert.equal(await ask('tcp', '::1', 8080), 'six fd00:6::1');
    assert.equal((await fixture.join(network, 'b')).endpoint.ipv6?.address, 'fd00:6::3');
    await fixture.networking.unpublish(endpoint.containerId);
  });
});
