import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewNetwork } from './port.ts';
import { listen, openTestEngine } from './stand-ins/index.ts';

const network = (name: string, changes: Partial<NewNetwork> = {}): NewNetwork => ({
  name,
  driver: 'bridge',
  internal: false,
  attachable: false,
  enableIpv6: false,
  pools: [],
  ipamDriver: 'default',
  ipamOptions: {},
  options: {},
  labels: {},
  ...changes,
});

test('bridge and none are there, once, and stay', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  assert.deepEqual(
    t.engine.networks().map(({ name }) => name),
    ['bridge', 'none'],
  );
  for (const name of ['bridge', 'none']) {
    await assert.rejects(t.engine.removeNetwork(name), { kind: 'forbidden', message: `${name} is a pre-defined network and cannot be removed` });
  }
  await assert.rejects(t.engine.createNetwork(network('bridge')), { kind: 'forbidden', message: 'operation is not permitted on predefined bridge network ' });
  await assert.rejects(t.engine.createContainer(t.container(['true'], { networks: [{ network: 'host', aliases: [] }] })), { kind: 'unsupported' });
  await assert.rejects(t.engine.createContainer(t.container(['true'], { networks: [{ network: 'nope', aliases: [] }] })), {
    kind: 'not-found',
    message: 'network nope not found',
  });
});

test('a network in use is not removed; its sentence names the containers', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const { id } = await t.engine.createNetwork(network('backend'));
  await assert.rejects(t.engine.createNetwork(network('backend')), { kind: 'conflict', message: 'network with name backend already exists' });
  await t.engine.createContainer(t.container(['sleep', '1000'], { name: 'c1', networks: [{ network: 'backend', aliases: ['db'] }] }));
  await t.engine.startContainer('c1');
  const [endpoint] = t.engine.network('backend').endpoints;
  assert.equal(endpoint?.containerName, 'c1');
  assert.deepEqual(endpoint?.names, ['c1', 'db', t.engine.container('c1').definition.id.slice(0, 12)]);
  await assert.rejects(t.engine.removeNetwork('backend'), {
    kind: 'forbidden',
    message: `error while removing network: network backend id ${id} has active endpoints (name:"c1" id:"${endpoint?.endpointId.slice(0, 12)}")`,
  });
  await t.engine.killContainer('c1', 9);
  await t.engine.removeNetwork(id.slice(0, 10));
  assert.equal(t.networking.created.has(id), false);
  await assert.rejects(t.engine.startContainer('c1'), { kind: 'not-found', message: `network ${id} not found` });
});

test('fixed addresses and aliases only where Docker has them', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  await t.engine.createNetwork(network('auto'));
  await t.engine.createNetwork(network('chosen', { pools: [{ subnet: '10.9.0.0/16' }] }));
  const create = (name: string, ipv4?: string, aliases: string[] = []) =>
    t.engine.createContainer(t.container(['sleep', '1000'], { networks: [{ network: name, aliases, ...(ipv4 === undefined ? {} : { ipv4 }) }] }));
  await assert.rejects(create('bridge', '172.17.0.9'), { message: 'user specified IP address is supported on user defined networks only' });
  await assert.rejects(create('auto', '172.18.0.9'), { message: /supported only when connecting to networks with user configured subnets/ });
  await assert.rejects(create('bridge', undefined, ['x']), { message: 'network-scoped alias is supported only for containers in user defined networks' });
  const first = await create('chosen', '10.9.0.77');
  const second = await create('chosen', '10.9.0.77');
  await t.engine.startContainer(first.id);
  assert.equal(t.engine.container(first.id).endpoints[0]?.ipv4.address, '10.9.0.77');
  await assert.rejects(t.engine.startContainer(second.id), { message: 'Address already in use' });
  await t.engine.killContainer(first.id, 9);
  await t.engine.startContainer(second.id);
});

test('joining and leaving, stopped and running', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  await t.engine.createNetwork(network('one'));
  await t.engine.createNetwork(network('two'));
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { name: 'c1' }));
  await t.engine.connectNetwork('one', 'c1', { aliases: [] });
  assert.deepEqual(
    t.engine.container('c1').endpoints.map((endpoint) => [endpoint.networkName, endpoint.active]),
    [
      ['bridge', false],
      ['one', false],
    ],
  );
  await t.engine.startContainer('c1');
  const events = listen(t.engine);
  await t.engine.connectNetwork('two', id, { aliases: ['deux'] });
  await assert.rejects(t.engine.connectNetwork('two', 'c1', { aliases: [] }), {
    kind: 'forbidden',
    message: 'endpoint with name c1 already exists in network two',
  });
  assert.equal(t.networking.announced.size, 3);
  await t.engine.disconnectNetwork('one', 'c1', { force: false });
  await assert.rejects(t.engine.disconnectNetwork('one', 'c1', { force: false }), { kind: 'forbidden' });
  await assert.rejects(t.engine.connectNetwork('none', 'c1', { aliases: [] }), { kind: 'forbidden' });
  assert.deepEqual(await events.stop(), ['network connect', 'network disconnect']);
  assert.deepEqual(
    t.engine.container('c1').endpoints.map(({ networkName }) => networkName),
    ['bridge', 'two'],
  );
  assert.equal(t.networking.announced.size, 2);
  await t.engine.killContainer('c1', 9);
  assert.equal(t.networking.announced.size + t.networking.endpoints.size, 0);
  assert.deepEqual(await t.engine.pruneNetworks(() => true), ['one', 'two']);
});

test('ports: published while it runs, refused when taken, free after', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const ports = [{ protocol: 'tcp' as const, containerPort: 80, hostAddress: '', hostPortFirst: 8080, hostPortLast: 8080 }];
  await t.engine.createContainer(t.container(['sleep', '1000'], { name: 'a1', ports }));
  await t.engine.createContainer(t.container(['sleep', '1000'], { name: 'b1', ports }));
  await t.engine.startContainer('a1');
  assert.deepEqual(t.engine.container('a1').publications, [{ protocol: 'tcp', containerPort: 80, hostAddress: '', hostPort: 8080 }]);
  await assert.rejects(t.engine.startContainer('b1'), {
    message:
      /^failed to set up container networking: driver failed programming external connectivity on endpoint b1 \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
  });
  assert.equal(t.engine.container('b1').state.phase, 'created');
  assert.equal(t.networking.endpoints.size, 1);
  await t.engine.killContainer('a1', 9);
  await t.engine.startContainer('b1');
});

test('the way out moves to the next network, and published ports with it', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  await t.engine.createNetwork(network('inside', { internal: true }));
  await t.engine.createNetwork(network('other'));
  const ports = [{ protocol: 'tcp' as const, containerPort: 80, hostAddress: '', hostPortFirst: 0, hostPortLast: 0 }];
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { ports, networks: [{ network: 'inside', aliases: [] }] }));
  await t.engine.startContainer(id);
  assert.deepEqual(t.engine.container(id).publications, []);
  await t.engine.connectNetwork('bridge', id, { aliases: [] });
  await t.engine.connectNetwork('other', id, { aliases: [] });
  const [publication] = t.engine.container(id).publications;
  assert.equal(publication?.containerPort, 80);
  await t.engine.disconnectNetwork('bridge', id, { force: false });
  assert.deepEqual(t.engine.container(id).publications, [publication]);
  await t.engine.disconnectNetwork('other', id, { force: false });
  assert.deepEqual(t.engine.container(id).publications, []);
  assert.equal(t.networking.published.get(id)?.length ?? 0, 0);
});

test('a rename is seen by name service', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  await t.engine.createNetwork(network('n'));
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { name: 'before', networks: [{ network: 'n', aliases: [] }] }));
  await t.engine.createContainer(t.container(['true'], { name: 'other' }));
  await t.engine.startContainer(id);
  await assert.rejects(t.engine.renameContainer('before', 'other'), {
    kind: 'conflict',
    message: /^Conflict\. The container name "\/other" is already in use by container "[0-9a-f]{64}"\./,
  });
  await assert.rejects(t.engine.renameContainer('before', 'a b'), { kind: 'invalid' });
  await t.engine.renameContainer('before', '/after');
  assert.equal(t.engine.container('after').definition.id, id);
  assert.throws(() => t.engine.container('before'));
  assert.deepEqual(
    [...t.networking.announced.values()].map(({ names }) => names[0]),
    ['after'],
  );
  const { id: again } = await t.engine.createContainer(t.container(['true'], { name: 'before' }));
  assert.notEqual(again, id);
});
