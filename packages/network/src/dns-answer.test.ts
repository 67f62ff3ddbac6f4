import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type RecordType } from 'dns-packet';
import fc from 'fast-check';
import { decide, serverFailure, truncate } from './dns-answer.ts';
import { type NameView, Names } from './names.ts';
import { Segment } from './segment.ts';

const network = (name: string, subnet: string, more: { internal?: boolean; isDefault?: boolean } = {}) => ({
  id: name,
  name,
  driver: 'bridge' as const,
  internal: false,
  isDefault: false,
  mtu: 1500,
  bridge: name,
  options: {},
  pools: [{ subnet: `${subnet}.0/24`, gateway: `${subnet}.1` }],
  ...more,
});

/** Networks front and back; `web` twice on front, `db` on back and `app` on both; `lone` on the default network. */
function world() {
  const names = new Names();
  const segments = [network('front', '10.1.0'), network('back', '10.2.0', { internal: true }), network('bridge', '10.3.0', { isDefault: true })].map(
    (definition) => {
      names.addNetwork(definition);
      return new Segment(definition);
    },
  );
  const [front, back, bridge] = segments as [Segment, Segment, Segment];
  const join = (segment: Segment, containerId: string, ...own: string[]) => {
    const endpoint = segment.allocate({ containerId: containerId.repeat(64), names: own });
    names.announce(endpoint);
    return endpoint;
  };
  return {
    names,
    web1: join(front, 'a', 'web1', 'web'),
    web2: join(front, 'b', 'web2', 'web'),
    app: join(front, 'c', 'app'),
    appBack: join(back, 'c', 'app'),
    db: join(back, 'd', 'db'),
    lone: join(bridge, 'e', 'lone'),
  };
}

const question = (name: string, type: RecordType = 'A', more: object = {}) =>
  encode({ id: 7, type: 'query', flags: 0x100, questions: [{ name, type, class: 'IN' }], ...more });

function answer(view: NameView, name: string, type: RecordType = 'A') {
  const verdict = decide(question(name, type), view, 'udp');
  if (verdict.kind !== 'answer') return verdict.kind;
  const packet = decode(verdict.message) as ReturnType<typeof decode> & { rcode?: string };
  return `${packet.rcode} ${(packet.answers ?? [])
    .map((record) => ('data' in record ? String(record.data) : ''))
    .sort()
    .join(' ')}`.trim();
}

test('names, aliases, short ids and names with the network behind them answer on their network and nowhere else', () => {
  const { names, web1, app, db, lone } = world();
  const front = names.viewFor('front', web1.ipv4.address);
  assert.equal(answer(front, 'web1'), 'NOERROR 10.1.0.2');
  assert.equal(answer(front, 'WEB1.Front'), 'NOERROR 10.1.0.2');
  assert.equal(answer(front, 'a'.repeat(12)), 'NOERROR 10.1.0.2');
  assert.equal(answer(front, 'web'), 'NOERROR 10.1.0.2 10.1.0.3');
  assert.equal(answer(front, 'web.front', 'AAAA'), 'NOERROR');
  assert.equal(answer(front, 'web', 'MX'), 'NOERROR');
  assert.equal(answer(front, 'db'), 'forward');
  assert.equal(answer(front, 'db.back'), 'forward');
  assert.equal(answer(front, 'example.com'), 'forward');
  assert.equal(answer(front, '2.0.1.10.in-addr.arpa', 'PTR'), 'NOERROR web1.front');
  // Not a word about another network, to nobody outside either.
  assert.equal(answer(front, '2.0.2.10.in-addr.arpa', 'PTR'), 'NXDOMAIN');
  assert.equal(answer(front, '8.8.8.8.in-addr.arpa', 'PTR'), 'forward');
  // On both networks: names of both, whichever resolver is asked.
  const both = names.viewFor('front', app.ipv4.address);
  assert.equal(answer(both, 'db'), 'NOERROR 10.2.0.3');
  assert.equal(answer(both, 'web1'), 'NOERROR 10.1.0.2');
  // An internal network has no way out, not for questions either.
  const back = names.viewFor('back', db.ipv4.address);
  assert.equal(answer(back, 'app'), 'NOERROR 10.2.0.2');
  assert.equal(answer(back, 'example.com'), 'SERVFAIL');
  const plain = names.viewFor('bridge', lone.ipv4.address);
  assert.equal(answer(plain, 'lone'), 'forward');
  assert.equal(answer(plain, 'e'.repeat(12)), 'forward');
});

test('a container may choose name servers on its own networks and outside, not on networks it is not on', () => {
  const { names, web1, app, db } = world();
  for (const endpoint of [web1, app]) names.setUpstreams(endpoint.endpointId, ['10.2.0.9', '10.1.0.9', '203.0.113.1']);
  assert.deepEqual(names.viewFor('front', web1.ipv4.address).upstreams, ['10.1.0.9', '203.0.113.1']);
  assert.deepEqual(names.viewFor('front', app.ipv4.address).upstreams, ['10.2.0.9', '10.1.0.9', '203.0.113.1']);
  assert.deepEqual(names.viewFor('back', db.ipv4.address).upstreams, []);
});

test('several containers behind one name take turns at the front', () => {
  const { names, app } = world();
  const view = names.viewFor('front', app.ipv4.address);
  assert.notEqual(view.lookup('web')?.ipv4[0], view.lookup('web')?.ipv4[0]);
  assert.equal(view.lookup('web')?.ipv4.length, 2);
});

test('with IPv6 a name has addresses of both kinds, and each its name', () => {
  const names = new Names();
  const dual = {
    ...network('dual', '10.4.0'),
    pools: [
      { subnet: '10.4.0.0/24', gateway: '10.4.0.1' },
      { subnet: 'fd00:4::/64', gateway: 'fd00:4::1' },
    ],
  };
  names.addNetwork(dual);
  const segment = new Segment(dual);
  const endpoint = segment.allocate({ containerId: 'f'.repeat(64), names: ['six'] });
  names.announce(endpoint);
  const view = names.viewFor('dual', endpoint.ipv4.address);
  assert.equal(answer(view, 'six'), 'NOERROR 10.4.0.2');
  assert.equal(answer(view, 'six', 'AAAA'), 'NOERROR fd00:4::2');
  const nibbles = (last: string) => `${last}.${'0.'.repeat(22)}0.4.0.0.0.0.0.d.f.ip6.arpa`;
  assert.equal(answer(view, nibbles('2'), 'PTR'), 'NOERROR six.dual');
  assert.equal(answer(view, nibbles('9'), 'PTR'), 'NXDOMAIN', 'ours, and nobody');
  names.withdraw(endpoint);
  assert.equal(answer(names.viewFor('dual', '10.4.0.9'), 'six', 'AAAA'), 'forward');
});

test('a link is a name for one container only, and follows the one it means', () => {
  const { names, app, web1, db } = world();
  names.setLinks(app.endpointId, { Shop: 'web1', constructor: 'nobody' });
  assert.equal(answer(names.viewFor('front', app.ipv4.address), 'shop'), 'NOERROR 10.1.0.2');
  assert.equal(answer(names.viewFor('front', web1.ipv4.address), 'shop'), 'forward');
  names.setLinks(db.endpointId, { shop: 'web1' });
  assert.equal(answer(names.viewFor('back', db.ipv4.address), 'shop'), 'SERVFAIL', 'no name of a network it is not on');
  names.forget(app.endpointId);
  assert.equal(answer(names.viewFor('front', app.ipv4.address), 'shop'), 'forward');
});

test('a name goes when its endpoint is withdrawn, and only that one', () => {
  const { names, app, web1 } = world();
  names.withdraw(web1);
  const view = names.viewFor('front', app.ipv4.address);
  assert.equal(answer(view, 'web'), 'NOERROR 10.1.0.3');
  assert.equal(answer(view, 'web1'), 'forward');
  names.announce(web1);
  names.announce(web1);
  assert.equal(answer(names.viewFor('front', app.ipv4.address), 'web1'), 'NOERROR 10.1.0.2');
});

test('an answer too long for the datagram says that there is more over TCP', () => {
  const view: NameView = {
    lookup: () => ({ ipv4: Array.from({ length: 60 }, (_, index) => `10.0.0.${index}`), ipv6: [] }),
    reverse: () => undefined,
    recursion: true,
    upstreams: [],
  };
  const over = (transport: 'udp' | 'tcp', more: object = {}) => {
    const verdict = decide(question('many', 'A', more), view, transport);
    assert.equal(verdict.kind, 'answer');
    return verdict.kind === 'answer' ? verdict.message : Buffer.alloc(0);
  };
  const udp = over('udp');
  assert.ok(udp.length <= 512);
  assert.equal(decode(udp).flag_tc, true);
  assert.equal(decode(over('tcp')).answers?.length, 60);
  const option = { name: '.', type: 'OPT', udpPayloadSize: 4096, flags: 0, options: [], extendedRcode: 0, ednsVersion: 0, flag_do: false };
  assert.equal(decode(over('udp', { additionals: [option] })).answers?.length, 60);
});

test('no sequence of bytes throws, and none is answered at length', () => {
  const { names, web1 } = world();
  const view = names.viewFor('front', web1.ipv4.address);
  const whole = question('web.front', 'A');
  const mutated = fc.array(fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })), { maxLength: 6 }).map((changes) => {
    const bytes = Buffer.from(whole);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes;
  });
  const cut = fc.nat({ max: whole.length }).map((size) => whole.subarray(0, size));
  const random = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(mutated, cut, random), fc.constantFrom('udp' as const, 'tcp' as const), (message, transport) => {
      const verdict = decide(message, view, transport);
      if (verdict.kind === 'answer') {
        assert.ok(verdict.message.length >= 12 && verdict.message.length <= 1232);
        assert.equal(verdict.message.readUInt16BE(0), message.readUInt16BE(0));
        assert.ok((verdict.message.readUInt16BE(2) & 0x8000) !== 0);
      }
      if (message.length >= 12) {
        assert.ok(serverFailure(message).length >= 12);
        assert.ok(truncate(message).length >= 12);
      }
    }),
    { numRuns: 3_000 },
  );
});
