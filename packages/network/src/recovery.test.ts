import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listIpv4Addresses, listLinks, run } from '@berth/sys';
import type { NetworkDefinition } from './index.ts';
import { Fixture, ourElements, ourLinks, prefix } from './testing/fixture.ts';
import { ask } from './testing/guest.ts';
import { inOwnNamespace } from './testing/own-namespace.ts';

/** Runs the churning daemon and kills it at some moment. */
async function killedInTheMiddle(runDirectory: string, networks: readonly NetworkDefinition[], afterMs: number): Promise<void> {
  const file = join(runDirectory, 'networks.json');
  await writeFile(file, JSON.stringify(networks));
  const child = spawn(process.execPath, [fileURLToPath(new URL('./testing/churn.ts', import.meta.url)), prefix, runDirectory, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('close', () => reject(new Error('the daemon ended by itself')));
  });
  // The wait is the moment of the blow, not a wait for something.
  await after(afterMs);
  child.kill('SIGKILL');
  await ended;
}

const elementsPerNetwork = { bridges: 1, gateways: 1, hairpins: 1, masqueraded: 1, own_addresses: 1, segments: 1 };

inOwnNamespace(import.meta.url, () => {
  test('whenever a daemon is killed, the next one has just the networks that it knows of, whole', async () => {
    await using fixture = await Fixture.open();
    const networks: NetworkDefinition[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      networks.push(fixture.plan(name));
      fixture.networks.push(networks.at(-1) as NetworkDefinition);
    }
    await fixture.networking[Symbol.asyncDispose]();
    let debris = 0;
    for (let round = 0; round < 12; round++) {
      await killedInTheMiddle(fixture.runDirectory, networks, randomInt(120));
      debris += (await ourLinks()).length;
      const known = networks.filter((_, index) => ((round >> (index % 2)) & 1) === 0 || index === round % 4);
      fixture.quiet = true;
      await fixture.reopen();
      await fixture.networking.restore(known, []);
      await fixture.networking.sweep(known);
      assert.deepEqual(await readdir(fixture.runDirectory), ['networks.json']);
      assert.deepEqual((await ourLinks()).sort(), known.map((network) => network.bridge).sort());
      for (const network of known) {
        const [pool] = network.pools;
        assert.deepEqual(await listIpv4Addresses(network.bridge), [`${pool?.gateway}/${pool?.subnet.split('/')[1]}`]);
      }
      assert.deepEqual(
        (await ourElements()).sort(),
        known.length === 0 ? [] : Object.entries(elementsPerNetwork).map(([set, count]) => `${set}: ${count * known.length}`),
      );
      for (const network of known) await fixture.networking.remove(network);
      assert.deepEqual(await ourLinks(), []);
      assert.deepEqual(await ourElements(), []);
    }
    assert.ok(debris > 0, 'no blow fell while there was anything to leave behind');
  });

  test('running containers notice nothing of a restart; what a reboot took away is made again', async () => {
    await using fixture = await Fixture.open();
    const network = await fixture.create('front');
    const a = await fixture.join(network, 'a');
    const b = await fixture.join(network, 'b');
    await fixture.reopen();
    await fixture.networking.restore([network], [a.endpoint, b.endpoint]);
    await fixture.networking.sweep([network]);
    assert.equal(await a.guest.pings(b.endpoint.ipv4.address), true);
    fixture.networking.announce(b.endpoint);
    assert.match((await a.guest.lookup('b', '172.17.0.1')).stdout, /172\.17\.0\.3/);
    assert.equal(fixture.networking.allocate(network, { containerId: 'c'.repeat(64), names: [] }).ipv4.address, '172.17.0.4');
    await fixture.networking[Symbol.asyncDispose]();
    await run('ip', ['link', 'del', network.bridge]);
    await run('nft', ['flush', 'ruleset']);
    await fixture.reopen();
    await fixture.networking.restore([network], [a.endpoint, b.endpoint]);
    assert.deepEqual(await ourLinks(), [network.bridge]);
    assert.equal((await ourElements()).length, Object.keys(elementsPerNetwork).length);
  });

  test('rules that someone flushed are back with the next change', async () => {
    await using fixture = await Fixture.open();
    fixture.quiet = true;
    const network = await fixture.create('front');
    const web = await fixture.join(network, 'web');
    await web.guest.serve('tcp', 80, 'web');
    await fixture.publish(web.endpoint, { hostPortFirst: 8080, hostPortLast: 8080 });
    await run('nft', ['flush', 'ruleset']);
    const other = await fixture.create('other');
    assert.equal(await ask('tcp', '127.0.0.1', 8080), 'web 172.17.0.1');
    assert.equal(
      (await ourElements()).find((line) => line.startsWith('bridges')),
      'bridges: 2',
    );
    await fixture.networking.remove(other);
    await fixture.networking.unpublish(web.endpoint.containerId);
  });

  test('nothing that belongs to others is touched', async () => {
    await using fixture = await Fixture.open();
    // A bridge of the name we would give, but somebody else's; one of another instance; one that only begins like ours.
    const foreign = [`${prefix}-0badcafe`, `${prefix}x0`, `${prefix}-deadbeefs`];
    for (const name of foreign) await run('ip', ['link', 'add', name, 'type', 'bridge']);
    await run('ip', ['link', 'set', `${prefix}-0badcafe`, 'alias', 'mine']);
    await run('nft', ['add table inet other; add chain inet other c; add rule inet other c counter']);
    await fixture.networking.sweep([]);
    const bridges = (await listLinks({ kind: 'bridge' })).map((link) => link.ifname);
    assert.deepEqual(bridges.sort(), [...foreign].sort());
    assert.match((await run('nft', ['list', 'table', 'inet', 'other'])).stdout, /counter/);
    // And a network whose bridge name is taken is refused whole.
    const network = { ...fixture.plan('taken'), bridge: `${prefix}-0badcafe` };
    await assert.rejects(fixture.networking.create(network), { code: 'command-failed' });
    assert.deepEqual(await ourElements(), []);
    for (const name of foreign) await run('ip', ['link', 'del', name]);
  });

  test('creating and removing again and again, in whatever order, ends where it should', async () => {
    await using fixture = await Fixture.open();
    const network = await fixture.create('front');
    await fixture.networking.create(network);
    await Promise.all([
      fixture.networking.remove(network),
      fixture.networking.create(network),
      fixture.networking.remove(network),
      fixture.networking.create(network),
    ]);
    assert.deepEqual(await ourLinks(), [network.bridge]);
    await Promise.all([fixture.networking.remove(network), fixture.networking.remove(network)]);
    assert.deepEqual(await ourLinks(), []);
    assert.deepEqual(await ourElements(), []);
  });

  test('a bridge of ours that belonged to another network is not taken over with what hangs on it', async () => {
    await using fixture = await Fixture.open();
    const old = await fixture.create('bridge', { isDefault: true });
    const a = await fixture.join(old, 'a');
    await fixture.reopen();
    fixture.networks.length = 0;
    // The state is lost, the bridge is not; the new default network gets the same name.
    const next = await fixture.create('bridge', { isDefault: true, pools: [{ subnet: '10.50.0.0/24', gateway: '10.50.0.1' }] });
    assert.equal(next.bridge, old.bridge);
    assert.deepEqual(await listIpv4Addresses(next.bridge), ['10.50.0.1/24']);
    assert.equal(await a.guest.pings('172.17.0.1', 1), false);
    assert.deepEqual(
      (await listLinks()).filter((link) => link.master === next.bridge),
      [],
    );
  });

  test('a network that cannot be restored keeps no other away', async () => {
    await using fixture = await Fixture.open();
    const [one, two, three] = [
      fixture.plan('one'),
      fixture.plan('two', { pools: [{ subnet: '10.61.0.0/24', gateway: '10.61.0.1' }] }),
      fixture.plan('three', { pools: [{ subnet: '10.62.0.0/24', gateway: '10.62.0.1' }] }),
    ];
    await run('ip', ['link', 'add', two.bridge, 'type', 'veth', 'peer', 'name', 'other']);
    fixture.quiet = true;
    await fixture.networking.restore([one, two, three], []);
    assert.deepEqual(fixture.warnings, ['a network could not be restored']);
    assert.deepEqual((await listLinks({ kind: 'bridge' })).map((link) => link.ifname).sort(), [one.bridge, three.bridge].sort());
    await run('ip', ['link', 'del', two.bridge]);
  });
});
