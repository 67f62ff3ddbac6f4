import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '@berth/kit';
import fc from 'fast-check';
import { overlaps, parseBlock } from './addresses.ts';
import { type NetworkRequest, planNetwork } from './plan.ts';
import type { AddressPool, NetworkDefinition } from './port.ts';

const request = (pools: readonly Partial<AddressPool>[] = [], more: Partial<NetworkRequest> = {}): NetworkRequest => ({
  id: newId(),
  name: 'n',
  driver: 'bridge',
  internal: false,
  isDefault: false,
  mtu: 1500,
  options: {},
  pools,
  ...more,
});
const plan = (pools: readonly Partial<AddressPool>[], existing: readonly NetworkDefinition[] = []) => planNetwork('bth', request(pools), existing, []);

test("without a subnet each network gets the next of Docker's pools, and the 32nd is refused", () => {
  const networks: NetworkDefinition[] = [];
  for (let index = 0; index < 31; index++) networks.push(planNetwork('bth', request(), networks, []));
  assert.deepEqual(
    networks.slice(0, 2).flatMap((network) => network.pools),
    [
      { subnet: '172.17.0.0/16', gateway: '172.17.0.1' },
      { subnet: '172.18.0.0/16', gateway: '172.18.0.1' },
    ],
  );
  assert.deepEqual(
    networks.slice(14, 16).map((network) => network.pools[0]?.subnet),
    ['172.31.0.0/16', '192.168.0.0/20'],
  );
  assert.equal(networks.at(-1)?.pools[0]?.subnet, '192.168.240.0/20');
  assert.throws(() => planNetwork('bth', request(), networks, []), {
    code: 'address-space-exhausted',
    message: 'all predefined address pools have been fully subnetted',
  });
});

test('a chosen subnet avoids the routes of the host; the default route is none of them', () => {
  const routes = [
    { ifname: 'eth0', destination: 0, mask: 0 },
    { ifname: 'docker0', destination: 0xac110000, mask: 0xffff0000 },
    { ifname: 'eth1', destination: 0xac120500, mask: 0xffffff00 },
  ];
  assert.equal(planNetwork('bth', request(), [], routes).pools[0]?.subnet, '172.19.0.0/16');
});

test('planned networks never overlap and never share a bridge', () => {
  const wishes = fc.array(
    fc.option(fc.record({ base: fc.integer({ min: 0xac000000, max: 0xadffffff }), prefix: fc.integer({ min: 12, max: 30 }) }), { nil: undefined }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(wishes, (list) => {
      const networks: NetworkDefinition[] = [];
      for (const wish of list) {
        const mask = wish === undefined ? 0 : (0xffffffff << (32 - wish.prefix)) >>> 0;
        const base = wish === undefined ? 0 : (wish.base & mask) >>> 0;
        const pools = wish === undefined ? [] : [{ subnet: `${[24, 16, 8, 0].map((shift) => (base >>> shift) & 255).join('.')}/${wish.prefix}` }];
        try {
          networks.push(planNetwork('bth', request(pools), networks, []));
        } catch (error) {
          assert.match(String((error as { code?: string }).code), /^(subnet-overlaps|address-space-exhausted)$/);
        }
      }
      const blocks = networks.map((network) => parseBlock(network.pools[0]?.subnet ?? ''));
      for (const [index, one] of blocks.entries()) for (const other of blocks.slice(0, index)) assert.ok(one && other && !overlaps(one, other));
      assert.equal(new Set(networks.map((network) => network.bridge)).size, networks.length);
      for (const network of networks) assert.ok(network.bridge.length <= 15);
    }),
    { numRuns: 100 },
  );
});

test('what the user gives is kept, and what is wrong with it is said as the Docker Engine says it', () => {
  assert.deepEqual(plan([{ subnet: '10.9.0.0/16', range: '10.9.5.0/24', gateway: '10.9.0.254', reserved: { router: '10.9.1.1' } }]).pools, [
    { subnet: '10.9.0.0/16', gateway: '10.9.0.254', range: '10.9.5.0/24', reserved: { router: '10.9.1.1' } },
  ]);
  const cases: [Partial<AddressPool>, string, string][] = [
    [{ subnet: 'banana' }, 'subnet-invalid', 'invalid subnet banana: invalid CIDR block notation'],
    [{ subnet: '10.9.0.1/16' }, 'subnet-invalid', 'invalid subnet 10.9.0.1/16: it should be 10.9.0.0/16'],
    [{ subnet: '10.9.0.0/16', gateway: '10.8.0.1' }, 'gateway-invalid', "invalid gateway 10.8.0.1: parent subnet 10.9.0.0/16 doesn't contain this address"],
    [{ subnet: '10.9.0.0/16', gateway: 'x' }, 'gateway-invalid', 'invalid gateway x: invalid address'],
    [{ subnet: '10.9.0.0/24', range: '10.9.0.0/16' }, 'range-invalid', 'invalid ip-range 10.9.0.0/16: CIDR block is bigger than its parent subnet 10.9.0.0/24'],
    [{ subnet: '10.9.0.0/16', range: '10.9.1.1/24' }, 'range-invalid', 'invalid ip-range 10.9.1.1/24: it should be 10.9.1.0/24'],
    [{ subnet: '10.9.0.0/16', range: '10.8.1.0/24' }, 'range-invalid', "invalid ip-range 10.8.1.0/24: parent subnet 10.9.0.0/16 doesn't contain ip-range"],
    [
      { subnet: '10.9.0.0/16', reserved: { a: '10.8.0.1' } },
      'reserved-invalid',
      "invalid auxiliary address a: parent subnet 10.9.0.0/16 doesn't contain this address",
    ],
  ];
  for (const [pool, code, sentence] of cases) assert.throws(() => plan([pool]), { code, message: `invalid network config:\n${sentence}` }, sentence);
  for (const subnet of ['127.0.0.0/8', '169.254.0.0/24', '224.0.0.0/24', '0.0.0.0/8', '10.0.0.0/31', '10.0.0.0/2']) {
    assert.throws(() => plan([{ subnet }]), { code: 'subnet-invalid' }, subnet);
  }
  const other = plan([{ subnet: '10.9.0.0/16' }]);
  for (const subnet of ['10.9.0.0/16', '10.9.7.0/24', '10.8.0.0/15']) {
    assert.throws(() => plan([{ subnet }], [other]), {
      code: 'subnet-overlaps',
      message: 'invalid pool request: Pool overlaps with other one on this address space',
    });
  }
  assert.throws(() => plan([{ subnet: '10.7.0.0/16' }, { subnet: '10.7.1.0/24' }]), { code: 'subnet-overlaps' });
});

test("IPv6 beside IPv4: the subnet given, or one that is nobody else's", () => {
  const dual = (pools: readonly Partial<AddressPool>[], existing: readonly NetworkDefinition[] = []) =>
    planNetwork('bth', request(pools, { enableIpv6: true }), existing, []);
  assert.deepEqual(dual([{ subnet: 'fd00:a::/64', range: 'fd00:a::100/120' }, { subnet: '10.9.0.0/16' }]).pools, [
    { subnet: '10.9.0.0/16', gateway: '10.9.0.1' },
    { subnet: 'fd00:a::/64', gateway: 'fd00:a::100', range: 'fd00:a::100/120' },
  ]);
  const chosen = dual([]);
  assert.match(chosen.pools[1]?.subnet ?? '', /^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
  assert.deepEqual(plan([{ subnet: 'fd00:a::/64' }]).pools, [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }], 'not asked for, not there');
  assert.throws(() => dual([{ subnet: 'fd00:a::/48' }], [dual([{ subnet: 'fd00:a:0:7::/64' }])]), { code: 'subnet-overlaps' });
  assert.throws(() => dual([{ subnet: 'fd00:a::1/64' }]), { message: 'invalid network config:\ninvalid subnet fd00:a::1/64: it should be fd00:a::/64' });
  assert.throws(() => dual([{ subnet: 'fd00:a::/64', gateway: '10.0.0.1' }]), { message: /parent subnet is an IPv6 block$/ });
  for (const subnet of ['fe80::/64', 'ff02::/64', '::/64', '::1/128', 'fd00::/127', 'fc00::/7'])
    assert.throws(() => dual([{ subnet }]), { code: 'subnet-invalid' }, subnet);
});

test('the default network has the bridge <prefix>0, and a network without driver has none', () => {
  assert.equal(planNetwork('bth', request([], { isDefault: true }), [], []).bridge, 'bth0');
  const none = planNetwork('bth', request([{ subnet: '10.0.0.0/8' }], { driver: 'none' }), [], []);
  assert.deepEqual([none.bridge, none.pools], ['', []]);
});
