import assert from 'node:assert/strict';
import { SocketAddress } from 'node:net';
import { test } from 'node:test';
import { isFault } from '@berth/kit';
import fc from 'fast-check';
import { PoolAddresses } from './address-pool.ts';
import { type Block, blockAround, contains, formatAddress, formatBlock, isV4, lastOf, parseAddress, parseBlock, sizeOf } from './addresses.ts';
import { Segment } from './segment.ts';

/** A small pool of either family: subnet, gateway in it, perhaps a range within and reserved addresses. */
const pools = fc
  .record({
    first: fc.oneof(
      fc.bigInt({ min: 0xffff_0a00_0000n, max: 0xffff_0aff_ffffn }),
      fc.bigInt({ min: 0n, max: (1n << 120n) - 1n }).map((low) => (0xfdn << 120n) + low),
    ),
    prefix: fc.integer({ min: 119, max: 126 }),
    narrower: fc.integer({ min: 0, max: 4 }),
    at: fc.nat(),
    gateway: fc.nat(),
    reserved: fc.array(fc.nat(), { maxLength: 4 }),
  })
  .map(({ first, prefix, narrower, at, gateway, reserved }) => {
    const subnet = blockAround(first, prefix);
    const range = blockAround(subnet.base + (BigInt(at) % sizeOf(subnet)), Math.min(128, prefix + narrower));
    const host = (number: number) => formatAddress(subnet.base + 1n + (BigInt(number) % (sizeOf(subnet) - 2n)));
    return {
      subnet,
      range,
      pool: {
        subnet: formatBlock(subnet),
        gateway: host(gateway),
        range: formatBlock(range),
        reserved: Object.fromEntries(reserved.map((number, index) => [`r${index}`, host(number)])),
      },
    };
  });

const number = (text: string) => parseAddress(text) ?? -1n;
/** What belongs to nobody in a subnet: its own address, and with IPv4 the last. */
const edges = (subnet: Block) => [subnet.base, ...(isV4(subnet.base) ? [lastOf(subnet)] : [])];

test('a pool gives each of its addresses once, lowest first, and then says that there is none', () => {
  fc.assert(
    fc.property(pools, ({ subnet, range, pool }) => {
      const addresses = new PoolAddresses(pool);
      const never = new Set([pool.gateway, ...Object.values(pool.reserved)].map(number).concat(edges(subnet)));
      const expected: bigint[] = [];
      for (let address = range.base; address <= lastOf(range); address++) {
        if (!never.has(address)) expected.push(address);
      }
      const given = Array.from({ length: expected.length }, () => addresses.take());
      assert.deepEqual(given, expected);
      assert.equal(addresses.take(), undefined);
    }),
    { numRuns: 300 },
  );
});

test('whatever is taken and released in whatever order, no address is held twice and none lies outside', () => {
  const steps = fc.array(
    fc.oneof(
      fc.constant('take' as const),
      fc.nat().map((index) => ({ release: index })),
      fc.nat().map((offset) => ({ exactly: offset })),
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(pools, steps, ({ subnet, range, pool }, sequence) => {
      const addresses = new PoolAddresses(pool);
      const held: bigint[] = [];
      for (const step of sequence) {
        if (step === 'take') {
          const address = addresses.take();
          if (address === undefined) continue;
          assert.ok(contains(range, address));
          assert.ok(!held.includes(address));
          held.push(address);
        } else if ('release' in step) {
          const [address] = held.splice(step.release % Math.max(1, held.length), 1);
          if (address !== undefined) addresses.release(address);
        } else {
          const address = subnet.base + (BigInt(step.exactly) % sizeOf(subnet));
          try {
            addresses.takeExactly(address);
            assert.ok(!held.includes(address));
            held.push(address);
          } catch (error) {
            assert.ok(isFault(error, 'address-in-use'), String(error));
            const never = [...edges(subnet), number(pool.gateway), ...Object.values(pool.reserved).map(number)];
            assert.ok(held.includes(address) || never.includes(address));
          }
        }
        assert.equal(addresses.usedCount, held.length);
      }
    }),
    { numRuns: 300 },
  );
});

test('addresses and blocks read back as they were written', () => {
  const every = fc.oneof(fc.bigInt({ min: 0xffff_0000_0000n, max: 0xffff_ffff_ffffn }), fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }));
  fc.assert(fc.property(every, (address) => assert.equal(parseAddress(formatAddress(address)), address)));
  // The kernel and nft spell addresses by the same rules.
  const spell = (text: string) => new SocketAddress({ family: 'ipv6', address: text }).address;
  const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, (eight) => {
      const long = eight.map((group) => group.toString(16)).join(':');
      const address = parseAddress(long);
      if (address !== undefined && address >> 48n !== 0n) assert.equal(formatAddress(address), spell(long));
    }),
  );
  for (const bad of ['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.x', ' 1.2.3.4', '1.2.3.-4', '::ffff:1.2.3.4', 'fe80::1%eth0', '1:2:3'])
    assert.equal(parseAddress(bad), undefined, bad);
  for (const bad of ['1.2.3.4', '1.2.3.4/', '1.2.3.4/33', '1.2.3.4/08', '/8', '1.2.3/8', 'fd00::/129', 'fd00::']) assert.equal(parseBlock(bad), undefined, bad);
});

test('a segment restored from what it had gives the next addresses as if it had never stopped', () => {
  const network = {
    id: 'ab'.repeat(32),
    name: 'n',
    driver: 'bridge' as const,
    internal: false,
    isDefault: false,
    mtu: 1500,
    bridge: 'b',
    options: {},
    pools: [
      { subnet: '10.1.0.0/28', gateway: '10.1.0.1' },
      { subnet: '10.2.0.0/29', gateway: '10.2.0.1' },
    ],
  };
  const first = new Segment(network);
  const take = (segment: Segment, more: { ipv4?: string; mac?: string } = {}) => segment.allocate({ containerId: 'c', names: [], ...more });
  const endpoints = Array.from({ length: 5 }, () => take(first));
  assert.deepEqual(
    endpoints.map((endpoint) => endpoint.ipv4.address),
    ['10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5', '10.1.0.6'],
  );
  assert.equal(endpoints[0]?.mac, '02:42:0a:01:00:02');
  const second = new Segment(network);
  for (const endpoint of endpoints.filter((_, index) => index !== 1)) second.adopt(endpoint);
  assert.equal(take(second).ipv4.address, '10.1.0.3');
  const rest = Array.from({ length: 13 + 5 - 5 }, () => take(second));
  assert.deepEqual(
    rest.slice(-5).map((endpoint) => [endpoint.ipv4.address, endpoint.ipv4.prefix, endpoint.gateway]),
    [2, 3, 4, 5, 6].map((host) => [`10.2.0.${host}`, 29, '10.2.0.1']),
  );
  assert.throws(() => take(second), { code: 'addresses-exhausted', message: `no available IPv4 addresses on this network's address pools: n (${network.id})` });
  assert.throws(() => take(second, { ipv4: '10.1.0.9' }), { code: 'address-in-use', message: 'Address already in use' });
  assert.throws(() => take(second, { ipv4: '10.3.0.9' }), {
    code: 'address-outside',
    message: 'no configured subnet or ip-range contain the IP address 10.3.0.9',
  });
  assert.throws(() => take(second, { ipv4: '10.1.0' }), { code: 'address-invalid' });
  assert.equal(new Set(rest.map((endpoint) => endpoint.mac)).size, rest.length);
});

test('an address of each family on a network that has both, and none of either when one cannot be had', () => {
  const pools = [
    { subnet: '10.1.0.0/24', gateway: '10.1.0.1' },
    { subnet: 'fd00:1::/64', gateway: 'fd00:1::1', reserved: { router: 'fd00:1::2' } },
  ];
  const segment = new Segment({ id: 'x', name: 'n', driver: 'bridge', internal: false, isDefault: false, mtu: 1500, bridge: 'b', options: {}, pools });
  const take = (more: { ipv4?: string; ipv6?: string } = {}) => segment.allocate({ containerId: 'c', names: [], ...more });
  const first = take();
  assert.deepEqual([first.ipv4.address, first.ipv6, first.ipv6Gateway], ['10.1.0.2', { address: 'fd00:1::3', prefix: 64 }, 'fd00:1::1']);
  assert.throws(() => take({ ipv6: 'fd00:1:0::3' }), { code: 'address-in-use' });
  assert.throws(() => take({ ipv6: 'fd00:2::3' }), { code: 'address-outside' });
  assert.throws(() => take({ ipv6: '10.1.0.9' }), { code: 'address-invalid', message: 'invalid IPv6 address: 10.1.0.9' });
  const second = take({ ipv6: 'FD00:1::00ff' });
  assert.deepEqual([second.ipv4.address, second.ipv6?.address], ['10.1.0.3', 'fd00:1::ff']);
  segment.release(first);
  assert.deepEqual([take().ipv6?.address], ['fd00:1::3']);
});

test('a MAC asked for is kept, once per network, and a group address is refused', () => {
  const segment = new Segment({
    id: 'x',
    name: 'n',
    driver: 'bridge',
    internal: false,
    isDefault: false,
    mtu: 1500,
    bridge: 'b',
    options: {},
    pools: [{ subnet: '10.1.0.0/24', gateway: '10.1.0.1' }],
  });
  // Just the MAC that the next container would have got.
  assert.equal(segment.allocate({ containerId: 'c', names: [], mac: '02-42-0A-01-00-03' }).mac, '02:42:0a:01:00:03');
  assert.throws(() => segment.allocate({ containerId: 'c', names: [], mac: '02:42:0a:01:00:03' }), { code: 'mac-in-use' });
  assert.throws(() => segment.allocate({ containerId: 'c', names: [], mac: '01:42:0a:01:00:03' }), { code: 'mac-invalid' });
  const next = segment.allocate({ containerId: 'c', names: [] });
  assert.equal(next.ipv4.address, '10.1.0.3');
  assert.match(next.mac, /^02(:[0-9a-f]{2}){5}$/);
  assert.notEqual(next.mac, '02:42:0a:01:00:03');
});
