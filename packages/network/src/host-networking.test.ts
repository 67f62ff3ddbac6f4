import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeSysctl } from '@berth/sys';
import { dropped, Fixture } from './testing/fixture.ts';
import { ask, briefly } from './testing/guest.ts';
import { inOwnNamespace } from './testing/own-namespace.ts';

inOwnNamespace(import.meta.url, () => {
  for (const bridgeFilter of ['0', '1']) {
    test(`a published port is reached from everywhere, br_netfilter ${bridgeFilter}`, async () => {
      await writeSysctl(['net', 'bridge', 'bridge-nf-call-iptables'], bridgeFilter);
      await using fixture = await Fixture.open();
      const network = await fixture.create('front');
      assert.deepEqual(network.pools, [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }]);
      const web = await fixture.join(network, 'web');
      const client = await fixture.join(network, 'client');
      assert.equal(web.endpoint.ipv4.address, '172.17.0.2');
      for (const protocol of ['tcp', 'udp'] as const) {
        await web.guest.serve(protocol, 80, 'hello');
        assert.deepEqual(await fixture.publish(web.endpoint, { protocol, hostPortFirst: 8080, hostPortLast: 8080 }), [8080]);
        // The host's own connections come from the gateway address, or are relayed from it.
        for (const address of ['127.0.0.1', '172.17.0.1', '::1']) assert.equal(await ask(protocol, address, 8080), 'hello 172.17.0.1', address);
        assert.match(await client.guest.ask(protocol, '172.17.0.1', 8080), /^hello/);
        assert.equal(await web.guest.ask(protocol, '172.17.0.1', 8080), 'hello 172.17.0.1');
        await fixture.networking.unpublish(web.endpoint.containerId);
        assert.equal(await ask(protocol, '127.0.0.1', 8080), 'ECONNREFUSED');
      }
      assert.equal(await client.guest.pings(web.endpoint.ipv4.address), true);
      const named = await client.guest.lookup('web', '172.17.0.1');
      assert.match(named.stdout, /172\.17\.0\.2/, named.stdout + named.stderr);
    });
  }

  test('two networks are apart, also through a published port', async () => {
    await using fixture = await Fixture.open();
    const one = await fixture.create('one');
    const two = await fixture.create('two');
    const a = await fixture.join(one, 'a');
    const b = await fixture.join(two, 'b');
    await b.guest.serve('tcp', 80, 'b');
    await fixture.publish(b.endpoint, { hostPortFirst: 8081, hostPortLast: 8081 });
    assert.equal(await ask('tcp', '127.0.0.1', 8081), 'b 172.18.0.1');
    const before = await dropped('drop_isolation');
    assert.equal(await a.guest.pings(b.endpoint.ipv4.address, 1), false);
    const between = await dropped('drop_isolation');
    assert.equal(between, before + 1);
    assert.equal(await a.guest.ask('tcp', '172.17.0.1', 8081, briefly), 'timeout');
    assert.ok((await dropped('drop_isolation')) > between);
  });

  test('flows of datagrams follow the publication: none is left at the old place', async () => {
    await using fixture = await Fixture.open();
    const network = await fixture.create('front');
    const old = await fixture.join(network, 'old');
    const young = await fixture.join(network, 'young');
    await old.guest.serve('udp', 53, 'old');
    await young.guest.serve('udp', 53, 'young');
    const request = { protocol: 'udp' as const, containerPort: 53, hostPortFirst: 5353, hostPortLast: 5353 };
    // The same source port every time: to the kernel it is one flow, and it remembers where that leads.
    const asked = (from: number) => ask('udp', '127.0.0.1', 5353, undefined, { from });
    assert.equal(await asked(40_000), 'ECONNREFUSED');
    await fixture.publish(old.endpoint, request);
    assert.equal(await asked(40_000), 'old 172.17.0.1');
    assert.equal(await asked(40_001), 'old 172.17.0.1');
    await fixture.networking.unpublish(old.endpoint.containerId);
    for (const from of [40_000, 40_001]) assert.equal(await asked(from), 'ECONNREFUSED');
    await fixture.publish(young.endpoint, request);
    for (const from of [40_000, 40_001]) assert.equal(await asked(from), 'young 172.17.0.1');
    await fixture.networking.unpublish(young.endpoint.containerId);
  });
});
