import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkNamespace, run, writeSysctl } from '@berth/sys';
import { dropped, Fixture } from './testing/fixture.ts';
import { ask, briefly, serve } from './testing/guest.ts';
import { outside } from './testing/outside.ts';
import { inOwnNamespace } from './testing/own-namespace.ts';

/** Runs the attempt and says by how much the counter grew: a packet was sent, and dropped for that reason. */
async function counts(counter: string, attempt: () => Promise<unknown>): Promise<number> {
  const before = await dropped(counter);
  await attempt();
  return (await dropped(counter)) - before;
}

inOwnNamespace(import.meta.url, () => {
  test('containers get out under the address of the host, and nothing gets in that was not published', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const network = await fixture.create('front');
    const web = await fixture.join(network, 'web');
    await serve(world, 'tcp', 80, 'world');
    await web.guest.serve('tcp', 80, 'web');
    assert.equal(await web.guest.ask('tcp', '10.99.0.2', 80), 'world 10.99.0.1');
    assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'ECONNREFUSED');
    assert.ok((await counts('drop_inbound', async () => assert.equal(await ask('tcp', '172.17.0.2', 80, world, { waitMs: briefly }), 'timeout'))) > 0);
    await fixture.publish(web.endpoint, { hostPortFirst: 8080, hostPortLast: 8080 });
    // The address of the client is kept: no relay in between.
    assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'web 10.99.0.2');
    assert.ok((await counts('drop_inbound', async () => assert.equal(await ask('tcp', '172.17.0.2', 80, world, { waitMs: briefly }), 'timeout'))) > 0);
    await fixture.networking.unpublish(web.endpoint.containerId);
    assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'ECONNREFUSED');
  });

  test('a port published on one address is there and on no other', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const web = await fixture.join(await fixture.create('front'), 'web');
    await web.guest.serve('tcp', 80, 'web');
    await fixture.publish(web.endpoint, { hostAddress: '127.0.0.1', hostPortFirst: 8080, hostPortLast: 8080 });
    assert.equal(await ask('tcp', '127.0.0.1', 8080), 'web 172.17.0.1');
    assert.equal(await ask('tcp', '10.99.0.1', 8080), 'ECONNREFUSED');
    assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'ECONNREFUSED');
    await fixture.publish(web.endpoint, { hostAddress: '10.99.0.1', hostPortFirst: 8080, hostPortLast: 8080 });
    assert.equal(await ask('tcp', '127.0.0.1', 8080), 'ECONNREFUSED');
    assert.equal(await ask('tcp', '10.99.0.1', 8080), 'web 172.17.0.1'.replace('172.17.0.1', '10.99.0.1'));
    assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'web 10.99.0.2');
    await fixture.networking.unpublish(web.endpoint.containerId);
  });

  test('an internal network has its segment and its resolver, and nothing else', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const network = await fixture.create('inner', { internal: true });
    const other = await fixture.create('outer');
    const a = await fixture.join(network, 'a');
    const b = await fixture.join(network, 'b');
    const c = await fixture.join(other, 'c');
    assert.equal(fixture.networking.nic(network, a.endpoint, 'eth0', true).gateway, undefined);
    // A guest may give itself a route; it must not help.
    await a.guest.run('ip', ['route', 'add', 'default', 'via', '172.17.0.1']);
    await serve(world, 'tcp', 80, 'world');
    await b.guest.serve('tcp', 80, 'b');
    await c.guest.serve('tcp', 80, 'c');
    assert.equal(await a.guest.ask('tcp', b.endpoint.ipv4.address, 80), 'b 172.17.0.2');
    assert.match((await a.guest.lookup('b', '172.17.0.1')).stdout, /172\.17\.0\.3/);
    assert.ok((await counts('drop_internal', async () => assert.equal(await a.guest.ask('tcp', '10.99.0.2', 80, briefly), 'timeout'))) > 0);
    assert.ok((await counts('drop_internal', async () => assert.equal(await a.guest.ask('tcp', c.endpoint.ipv4.address, 80, briefly), 'timeout'))) > 0);
    assert.ok(
      (await counts('drop_internal', async () => assert.equal(await ask('tcp', b.endpoint.ipv4.address, 80, world, { waitMs: briefly }), 'timeout'))) > 0,
    );
    assert.ok((await counts('drop_isolation', async () => assert.equal(await c.guest.ask('tcp', b.endpoint.ipv4.address, 80, briefly), 'timeout'))) > 0);
    // Nor the host's own services, on whichever of its addresses.
    for (const address of ['172.17.0.1', '172.18.0.1', '10.99.0.1']) {
      assert.ok((await counts('drop_host', async () => assert.equal(await a.guest.ask('tcp', address, 22, briefly), 'timeout'))) > 0, address);
    }
    assert.ok((await counts('drop_host', async () => assert.equal(await a.guest.pings('172.17.0.1', 1), false))) > 0);
  });

  test('guests reach the services of the host on its addresses, but not those on its loopback', async () => {
    await using fixture = await Fixture.open();
    const { guest } = await fixture.join(await fixture.create('front'), 'a');
    const refused = await guest.ask('tcp', '172.17.0.1', 22);
    assert.equal(refused, 'ECONNREFUSED');
    // The bridge routes 127.0.0.0/8 for answers of published ports; a guest that sends there itself is stopped before.
    await guest.run('ip', ['link', 'set', 'lo', 'down']);
    await guest.run('ip', ['addr', 'flush', 'dev', 'lo']);
    await guest.namespace.run('sh', [
      '-c',
      'echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet && ip route del table local local 127.0.0.0/8 dev lo 2>/dev/null; ip route add 127.0.0.1 via 172.17.0.1 dev eth0 onlink',
    ]);
    assert.ok((await counts('drop_loopback', () => guest.pings('127.0.0.1'))) > 0);
  });

  test('link-local addresses, where clouds keep their secrets, are out of reach; so are foreign source addresses', async () => {
    await using world = await outside();
    await using fixture = await Fixture.open();
    const { guest } = await fixture.join(await fixture.create('front'), 'a');
    await serve(world, 'tcp', 80, 'secret');
    // The way is there: the host itself gets an answer.
    await run('ip', ['route', 'add', '169.254.169.254/32', 'via', '10.99.0.2']);
    assert.equal(await ask('tcp', '169.254.169.254', 80), 'secret 10.99.0.1');
    assert.ok((await counts('drop_link_local', async () => assert.equal(await guest.ask('tcp', '169.254.169.254', 80, briefly), 'timeout'))) > 0);
    await guest.run('ip', ['addr', 'add', '10.77.0.5/32', 'dev', 'eth0']);
    assert.ok((await counts('drop_spoofed', () => guest.run('busybox', ['ping', '-c', '1', '-W', '1', '-I', '10.77.0.5', '10.99.0.2']))) > 0);
  });

  for (const bridgeFilter of ['0', '1']) {
    test(`with enable_icc=false the containers of a network are apart, br_netfilter ${bridgeFilter}`, async () => {
      await writeSysctl(['net', 'bridge', 'bridge-nf-call-iptables'], bridgeFilter);
      await using fixture = await Fixture.open();
      const network = await fixture.create('apart', { options: { 'com.docker.network.bridge.enable_icc': 'false' } });
      const a = await fixture.join(network, 'a');
      const b = await fixture.join(network, 'b');
      assert.ok((await counts('drop_isolation', async () => assert.equal(await a.guest.pings(b.endpoint.ipv4.address, 1), false))) > 0);
      assert.equal(await a.guest.pings('172.17.0.1'), true);
    });
  }

  for (const docker of [false, true]) {
    test(`a firewall of the host that drops by default does not cut containers off${docker ? ', with rules where Docker wants them' : ''}`, async () => {
      await using world = await outside();
      const rules = ['-P FORWARD DROP', '-P INPUT DROP', ...(docker ? ['-N DOCKER-USER', '-I FORWARD -j DOCKER-USER'] : [])];
      for (const rule of rules) await run('iptables', rule.split(' '));
      const before = (await run('iptables', ['-S'])).stdout;
      try {
        await using fixture = await Fixture.open();
        const web = await fixture.join(await fixture.create('front'), 'web');
        await serve(world, 'tcp', 80, 'world');
        await web.guest.serve('tcp', 80, 'web');
        assert.equal(await web.guest.ask('tcp', '10.99.0.2', 80), 'world 10.99.0.1');
        assert.match((await web.guest.lookup('web', '172.17.0.1')).stdout, /172\.17\.0\.2/);
        await fixture.publish(web.endpoint, { hostPortFirst: 8080, hostPortLast: 8080 });
        assert.equal(await ask('tcp', '10.99.0.1', 8080, world), 'web 10.99.0.2');
        await fixture.networking.unpublish(web.endpoint.containerId);
        // What isn't ours is still dropped.
        await using third = await NetworkNamespace.make();
        await run('ip', ['link', 'add', 'third', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', third.name]);
        await run('ip', ['addr', 'add', '10.98.0.1/24', 'dev', 'third']);
        await run('ip', ['link', 'set', 'third', 'up']);
        await third.run('ip', ['addr', 'add', '10.98.0.2/24', 'dev', 'eth0']);
        await third.run('ip', ['link', 'set', 'eth0', 'up']);
        await third.run('ip', ['route', 'add', 'default', 'via', '10.98.0.1']);
        assert.equal(await ask('tcp', '10.99.0.2', 80, third, { waitMs: briefly }), 'timeout');
      } finally {
        assert.equal((await run('iptables', ['-S'])).stdout, before);
        for (const rule of ['-P FORWARD ACCEPT', '-P INPUT ACCEPT', '-F', '-X']) await run('iptables', rule.split(' '));
      }
    });
  }
});
