import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '@berth/kit';
import { createContainerSchema, hostConfigSchema, readJson } from '@berth/docker-wire';
import type { Engine, NewContainer } from '@berth/engine';
import type { ImageProcessDefaults, Image } from '@berth/images';
import { hostConfigTable, judgeOptions } from './option-table.ts';
import { mapContainer } from './new-container.ts';

/** What the mapping asks of an engine. */
const engine = {
  facts: () => ({ cpus: 2, defaultRuntime: 'microvm', runtimes: [{ name: 'microvm' }] }),
  network: () => ({ pools: [{ gateway: '172.17.0.1' }] }),
  container: (reference: string) => {
    if (reference !== 'db') throw new Fault('not-found', 'container-not-found', `No such container: ${reference}`);
    return { definition: { id: 'd'.repeat(64), name: 'db' } };
  },
} as unknown as Engine;

function imageOf(config: ImageProcessDefaults): Image {
  return {
    id: 'sha256:1',
    configuration: { config, rootfs: { type: 'layers', diff_ids: [] } },
    tags: [],
    digests: [],
    sizeBytes: 0,
    layers: [],
    createdAtMs: 0,
    lastTaggedAtMs: 0,
    parentId: '',
    hasChildren: false,
  };
}

function map(body: Record<string, unknown>, config: ImageProcessDefaults = { Cmd: ['sh'] }, minor = 50): NewContainer & { warnings: readonly string[] } {
  const request = readJson(createContainerSchema, JSON.stringify({ Image: 'i', ...body }));
  const mapped = mapContainer(request, '', imageOf(config), engine, { minor });
  return { ...mapped.container, warnings: mapped.warnings };
}

const host = (HostConfig: Record<string, unknown>) => map({ HostConfig });

test('entrypoint and command merge by Docker’s rules', () => {
  const image = { Entrypoint: ['/entry'], Cmd: ['a', 'b'] };
  assert.deepEqual(map({}, image).args, ['/entry', 'a', 'b']);
  assert.deepEqual(map({ Cmd: ['c'] }, image).args, ['/entry', 'c']);
  assert.deepEqual(map({ Entrypoint: ['/other'] }, image).args, ['/other']);
  assert.deepEqual(map({ Entrypoint: ['/other'], Cmd: ['c'] }, image).args, ['/other', 'c']);
  assert.deepEqual(map({ Entrypoint: [''], Cmd: ['c'] }, image).args, ['c']);
  assert.deepEqual(map({ Entrypoint: [] }, image).args, ['a', 'b']);
  assert.deepEqual(map({ Cmd: 'shell' }, {}).args, ['shell']);
  assert.throws(() => map({}, {}), { message: 'no command specified' });
  assert.throws(() => map({ Entrypoint: [''] }, image), { message: 'no command specified' });
});

test('environment, labels, user, directory and stop signal merge with the image’s', () => {
  const image = {
    Cmd: ['x'],
    Env: ['PATH=/bin', 'A=image', 'B=image'],
    Labels: { l: 'image', m: 'image' },
    User: 'www',
    WorkingDir: '/srv',
    StopSignal: 'SIGQUIT',
  };
  const mapped = map({ Env: ['A=mine'], Labels: { l: 'mine' } }, image);
  assert.deepEqual(mapped.env, ['A=mine', 'PATH=/bin', 'B=image']);
  assert.deepEqual(mapped.labels, { l: 'mine', m: 'image' });
  assert.equal(mapped.user, 'www');
  assert.equal(mapped.cwd, '/srv');
  assert.equal(mapped.stopSignal, 3);
  const own = map({ User: '5', WorkingDir: '/a//b/../c/', StopSignal: 'RTMIN+3' }, image);
  assert.deepEqual([own.user, own.cwd, own.stopSignal], ['5', '/a/c', 37]);
  assert.deepEqual(map({ Tty: true }).env, ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm']);
  assert.deepEqual(map({ Env: ['B'] }, image).env, ['PATH=/bin', 'A=image'], 'a name alone takes a variable away');
  assert.throws(() => map({ WorkingDir: 'rel' }), { message: "the working directory 'rel' is invalid, it needs to be an absolute path" });
  assert.throws(() => map({ StopSignal: 'NOPE' }), { message: 'invalid signal: NOPE' });
  assert.throws(() => map({ Env: ['=x'] }), { message: 'invalid environment variable: =x' });
});

test('ports: bindings, ranges, any, and all that is exposed', () => {
  const { ports } = map({
    ExposedPorts: { '90/tcp': {}, '53/udp': {} },
    HostConfig: { PublishAllPorts: true, PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080-8090' }, { HostPort: 81 }], '7000-7001': null } },
  });
  assert.deepEqual(
    ports.map((port) => [port.containerPort, port.protocol, port.hostAddress, port.hostPortFirst, port.hostPortLast]),
    [
      [80, 'tcp', '127.0.0.1', 8080, 8090],
      [80, 'tcp', '', 81, 81],
      [7000, 'tcp', '', 0, 0],
      [7001, 'tcp', '', 0, 0],
      [90, 'tcp', '', 0, 0],
      [53, 'udp', '', 0, 0],
    ],
  );
  for (const bad of [{ 'x/tcp': [] }, { '80/tcp': [{ HostPort: 'x' }] }, { '80/tcp': [{ HostIp: 'nope', HostPort: '1' }] }, { '70000/tcp': [] }]) {
    assert.throws(() => host({ PortBindings: bad }), { kind: 'invalid' });
  }
  assert.throws(() => host({ PortBindings: { '80/sctp': [] } }), { kind: 'unsupported' });
  assert.deepEqual(host({ NetworkMode: 'none', PortBindings: { '80/tcp': [] } }).ports, []);
});

test('networks: the mode first, wishes by name, none and what a machine cannot have', () => {
  assert.deepEqual(map({}).networks, [{ network: 'bridge', aliases: [] }]);
  assert.deepEqual(host({ NetworkMode: 'none' }).networks, []);
  assert.deepEqual(map({ NetworkDisabled: true }).networks, []);
  const endpoints = { EndpointsConfig: { n2: {}, n1: { Aliases: ['a', 'a'], IPAMConfig: { IPv4Address: '10.0.0.5' }, MacAddress: '02-42-AC-11-00-02' } } };
  assert.deepEqual(map({ HostConfig: { NetworkMode: 'n1' }, NetworkingConfig: endpoints }).networks, [
    { network: 'n1', aliases: ['a'], ipv4: '10.0.0.5', mac: '02:42:ac:11:00:02' },
    { network: 'n2', aliases: [] },
  ]);
  assert.throws(() => map({ NetworkingConfig: endpoints }, undefined, 43), { message: 'Container cannot be connected to network endpoints: n1, n2' });
  assert.deepEqual(map({ MacAddress: '02:42:ac:11:00:99' }).networks, [{ network: 'bridge', aliases: [], mac: '02:42:ac:11:00:99' }]);
  assert.throws(() => map({ MacAddress: 'nope' }), { message: 'invalid MAC address: nope' });
  const onDefault = { EndpointsConfig: { default: { IPAMConfig: { IPv4Address: '172.17.0.9' } } } };
  assert.throws(() => map({ NetworkingConfig: onDefault }), { message: 'user specified IP address is supported on user defined networks only' });
});

test('modes that share a network stack: what is wrong first, then why not, and what instead', () => {
  assert.throws(() => host({ NetworkMode: 'host' }), {
    kind: 'unsupported',
    message: /^--network host is not possible with Berth: .*-p, .*-P;.*host-gateway$/,
  });
  assert.throws(() => host({ NetworkMode: 'container:db' }), {
    kind: 'unsupported',
    message: /^--network container:db is not possible with Berth: db is .*one network/,
  });
  assert.throws(() => host({ NetworkMode: 'container:x' }), { kind: 'invalid', message: 'No such container: x' });
  const conflicts: [Record<string, unknown>, string][] = [
    [{ NetworkMode: 'container:db', PortBindings: { '80/tcp': [] } }, 'port publishing and the container type network mode'],
    [{ NetworkMode: 'container:db', PublishAllPorts: true }, 'port publishing and the container type network mode'],
    [{ NetworkMode: 'container:db', Dns: ['1.2.3.4'] }, 'dns and the network mode'],
    [{ NetworkMode: 'container:db', ExtraHosts: ['a:1.2.3.4'] }, 'custom host-to-IP mapping and the network mode'],
    [{ NetworkMode: 'container:db', Links: ['db'] }, "container type network can't be used with links. This would result in undefined behavior"],
    [{ NetworkMode: 'host', Links: ['db'] }, "host type networking can't be used with links. This would result in undefined behavior"],
  ];
  for (const [options, what] of conflicts) assert.throws(() => host(options), { kind: 'invalid', message: `conflicting options: ${what}` });
  assert.throws(() => map({ Hostname: 'x', HostConfig: { NetworkMode: 'container:db' } }), { message: 'conflicting options: hostname and the network mode' });
});

test('links: on the default network of containers that are there, elsewhere of the endpoint', () => {
  const id = 'd'.repeat(64);
  assert.deepEqual(host({ Links: ['db:store', 'db', '/db:/me/again'] }).links, [
    { container: id, alias: 'store' },
    { container: id, alias: 'db' },
    { container: id, alias: 'again' },
  ]);
  assert.throws(() => host({ Links: ['nosuch:a'] }), { kind: 'invalid', message: 'could not get container for nosuch: No such container: nosuch' });
  assert.throws(() => host({ Links: ['a:b:c'] }), { message: 'bad format for links: a:b:c' });
  const elsewhere = map({
    HostConfig: { NetworkMode: 'n1', Links: ['later:l'] },
    NetworkingConfig: { EndpointsConfig: { n1: { Links: ['later:l'], GwPriority: 5 } } },
  });
  assert.equal(elsewhere.links, undefined);
  assert.deepEqual(elsewhere.networks, [{ network: 'n1', aliases: [], links: [{ container: 'later', alias: 'l' }], gatewayPriority: 5 }]);
});

test('capabilities', () => {
  assert.equal(host({}).capabilities.length, 14);
  assert.ok(host({ CapAdd: ['cap_net_admin'] }).capabilities.includes('NET_ADMIN'));
  assert.ok(!host({ CapDrop: ['CHOWN'] }).capabilities.includes('CHOWN'));
  assert.deepEqual(host({ CapDrop: ['ALL'], CapAdd: ['KILL'] }).capabilities, ['KILL']);
  assert.equal(host({ CapAdd: ['all'] }).capabilities.length, 41);
  assert.throws(() => host({ CapAdd: ['NOPE'] }), { message: 'invalid CapAdd: unknown capability: "CAP_NOPE"' });
  const privileged = host({ Privileged: true });
  assert.equal(privileged.capabilities.length, 41);
  assert.equal(privileged.warnings.length, 1);
  assert.match(privileged.warnings[0] ?? '', /opens nothing of the host/);
});

test('limits', () => {
  const limited = host({ Memory: 100 << 20, NanoCpus: 1.5e9, PidsLimit: 50, ShmSize: 1024, Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] });
  assert.deepEqual([limited.memoryBytes, limited.memorySwapBytes, limited.cpus, limited.pids, limited.shmBytes], [100 << 20, 200 << 20, 1.5, 50, 1024]);
  assert.deepEqual(limited.rlimits, [{ name: 'nofile', soft: 1, hard: 2 }]);
  assert.equal(host({ CpuQuota: 50_000 }).cpus, 0.5);
  assert.equal(host({ CpuQuota: 50_000, CpuPeriod: 25_000 }).cpus, 2);
  assert.equal(host({ PidsLimit: -1 }).pids, undefined);
  const refusals: [Record<string, unknown>, RegExp][] = [
    [{ Memory: 1000 }, /Minimum memory limit allowed is 6MB/],
    [{ Memory: 20 << 20, MemorySwap: 10 << 20 }, /memoryswap limit should be larger/],
    [{ MemorySwap: 10 << 20 }, /always set the Memory limit/],
    [{ NanoCpus: 100e9 }, /range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available/],
    [{ NanoCpus: 1e9, CpuQuota: 5000 }, /Conflicting options/],
    [{ Ulimits: [{ Name: 'nope', Soft: 1, Hard: 1 }] }, /invalid ulimit type: nope/],
    [{ Ulimits: [{ Name: 'nofile', Soft: 3, Hard: 1 }] }, /must be less than or equal to hard limit: 3 > 1/],
    [{ ShmSize: -1 }, /SHM size/],
    [{ CpuShares: -1 }, /value must be a positive integer/],
    [{ BlkioWeight: 5 }, /Range of blkio weight is from 10 to 1000/],
    [{ OomScoreAdj: 2000 }, /range for oom score adj is \[-1000, 1000\]/],
    [{ Memory: 8 << 20, MemoryReservation: 10 << 20 }, /can not be less than memory reservation/],
    [{ IpcMode: 'nope' }, /Invalid IPC mode: nope/],
    [{ Isolation: 'hyperv' }, /linux only supports 'default'/],
  ];
  for (const [config, message] of refusals) assert.throws(() => host(config), { kind: 'invalid', message });
});

test('tmpfs', () => {
  assert.deepEqual(host({ Tmpfs: { '/t': 'size=1m,exec' } }).mounts, [{ type: 'tmpfs', target: '/t', options: ['nosuid', 'nodev', 'size=1m', 'exec'] }]);
  assert.deepEqual(host({ Mounts: [{ Type: 'tmpfs', Target: '/m', ReadOnly: true, TmpfsOptions: { SizeBytes: 5, Mode: 0o700 } }] }).mounts, [
    { type: 'tmpfs', target: '/m', options: ['noexec', 'nosuid', 'nodev', 'ro', 'size=5', 'mode=700'] },
  ]);
  for (const Tmpfs of [{ rel: '' }, { '/': '' }, { '/t': 'nope' }, { '/t': 'nope=1' }]) assert.throws(() => host({ Tmpfs }), { kind: 'invalid' });
  assert.throws(() => host({ Tmpfs: { '/t': '' }, Mounts: [{ Type: 'tmpfs', Target: '/t' }] }), { message: 'Duplicate mount point: /t' });
});

test('hosts and name servers', () => {
  assert.deepEqual(host({ ExtraHosts: ['a:1.2.3.4', 'b=::1', 'c:[::2]', 'up:host-gateway'] }).extraHosts, ['a:1.2.3.4', 'b:::1', 'c:::2', 'up:172.17.0.1']);
  assert.throws(() => host({ ExtraHosts: ['nope'] }), { message: 'bad format for add-host: "nope"' });
  assert.throws(() => host({ ExtraHosts: ['a:x'] }), { message: 'invalid IP address in add-host: "x"' });
  assert.throws(() => host({ Dns: ['nope'] }), { message: 'IP address is not correctly formatted: nope' });
});

test('every HostConfig field has its row, and each refused one refuses aloud', () => {
  const empty = hostConfigSchema.parse({});
  const fields = Object.keys(hostConfigSchema.out.shape);
  assert.deepEqual(hostConfigTable.map((row) => row.field).sort(), fields.sort());
  const samples: Record<string, unknown> = {
    Devices: [{ PathOnHost: '/dev/x' }],
    DeviceRequests: [{}],
    DeviceCgroupRules: ['a'],
    PidMode: 'host',
    UTSMode: 'host',
    IpcMode: 'host',
    CgroupParent: '/x',
    CpusetCpus: '0',
    CpusetMems: '0',
    CpuRealtimePeriod: 1,
    CpuRealtimeRuntime: 1,
    BlkioWeightDevice: [{ Path: '/dev/x', Weight: 1 }],
    BlkioDeviceReadBps: [{ Path: '/x', Rate: 1 }],
    BlkioDeviceWriteBps: [{ Path: '/x', Rate: 1 }],
    BlkioDeviceReadIOps: [{ Path: '/x', Rate: 1 }],
    BlkioDeviceWriteIOps: [{ Path: '/x', Rate: 1 }],
    StorageOpt: { size: '1G' },
  };
  for (const row of hostConfigTable.filter(({ treatment }) => treatment === 'refused')) {
    assert.ok(row.field in samples, `no sample for ${row.field}`);
    assert.throws(
      () => host({ [row.field]: samples[row.field] }),
      { kind: 'unsupported', message: /not supported by Berth yet|not possible with Berth: / },
      row.field,
    );
  }
  assert.deepEqual(judgeOptions(createContainerSchema.parse({ Image: 'i' }), empty), []);
});

test('what is refused beside the table', () => {
  const refusals: [Record<string, unknown>, string][] = [
    [{ HostConfig: { RestartPolicy: { Name: 'nope' } } }, 'invalid'],
    [{ HostConfig: { RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } } }, 'invalid'],
    [{ HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: -1 } } }, 'invalid'],
    [{ HostConfig: { RestartPolicy: { Name: 'always' }, AutoRemove: true } }, 'invalid'],
    [{ HostConfig: { LogConfig: { Type: 'json-file', Config: { nope: '1' } } } }, 'invalid'],
    [{ HostConfig: { LogConfig: { Type: 'local', Config: { 'max-file': '1' } } } }, 'invalid'],
    [{ HostConfig: { LogConfig: { Type: '', Config: { compress: 'true' } } } }, 'invalid'],
    [{ HostConfig: { LogConfig: { Type: 'syslog' } } }, 'unsupported'],
    [{ HostConfig: { LogConfig: { Type: 'nope' } } }, 'invalid'],
    [{ HostConfig: { SecurityOpt: ['nope'] } }, 'invalid'],
    [{ HostConfig: { SecurityOpt: ['seccomp={}'] } }, 'unsupported'],
    [{ HostConfig: { Mounts: [{ Type: 'image', Source: 'a', Target: '/b' }] } }, 'unsupported'],
    [{ HostConfig: { Binds: ['/a:/b:rslave'] } }, 'unsupported'],
    [{ HostConfig: { Runtime: 'runc' } }, 'invalid'],
    [{ Healthcheck: { Test: ['CMD', 'true'], Interval: 1000 } }, 'invalid'],
    [{ Healthcheck: { Test: ['CMD', 'true'], Retries: -1 } }, 'invalid'],
  ];
  for (const [body, kind] of refusals) assert.throws(() => map(body), { kind }, JSON.stringify(body));
  assert.equal(
    map({ HostConfig: { RestartPolicy: { Name: 'no' }, SecurityOpt: ['no-new-privileges'], LogConfig: { Type: 'json-file', Config: {} } } }).noNewPrivileges,
    true,
  );
});

test('logs: drivers, sizes in thousands, and what the daemon was told for all', () => {
  const log = (Type: string, Config: Record<string, string>) => host({ LogConfig: { Type, Config } }).log;
  assert.deepEqual(log('', {}), { driver: 'json-file', maxFiles: 1, compress: false });
  assert.deepEqual(log('json-file', { 'max-size': '1.5m', 'max-file': '3', compress: 'true', mode: 'non-blocking' }), {
    driver: 'json-file',
    maxBytes: 1_500_000,
    maxFiles: 3,
    compress: true,
  });
  assert.deepEqual(log('local', {}), { driver: 'local', maxBytes: 20_000_000, maxFiles: 5, compress: true });
  assert.equal(log('none', { any: 'thing' })?.driver, 'none');
  assert.throws(() => log('', { 'max-size': '-1' }), { message: "failed to initialize logging driver: invalid size: '-1'" });
  assert.throws(() => log('json-file', { 'max-buffer-size': '1m' }), { message: /only supported with 'mode=non-blocking'/ });

  const request = readJson(createContainerSchema, JSON.stringify({ Image: 'i', HostConfig: { LogConfig: { Type: '', Config: { 'max-file': '2' } } } }));
  const logDefaults = { driver: 'json-file', options: { 'max-size': '10k' } };
  const mapped = mapContainer(request, '', imageOf({ Cmd: ['sh'] }), engine, { minor: 50, logDefaults });
  assert.deepEqual(mapped.container.log, { driver: 'json-file', maxBytes: 10_000, maxFiles: 2, compress: false });
  assert.deepEqual((mapped.container.personality['HostConfig'] as { LogConfig: unknown }).LogConfig, {
    Type: 'json-file',
    Config: { 'max-size': '10k', 'max-file': '2' },
  });
});

test('restart policies', () => {
  assert.deepEqual(host({}).restart, { name: 'no', maximumRetries: 0 });
  assert.deepEqual(host({ RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } }).restart, { name: 'on-failure', maximumRetries: 3 });
});

test('health checks: the request over the image, and the shell', () => {
  const second = 1e9;
  assert.equal(map({}).health, undefined);
  assert.deepEqual(map({ Healthcheck: { Test: ['CMD-SHELL', 'a b'], Interval: 2 * second, Retries: 1 } }).health, {
    args: ['/bin/sh', '-c', 'a b'],
    intervalMs: 2000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    startIntervalMs: 5000,
    retries: 1,
  });
  const image = { Cmd: ['x'], Shell: ['/bin/bash', '-ec'], Healthcheck: { Test: ['CMD-SHELL', 'probe'], Timeout: second, StartPeriod: 3 * second } };
  const inherited = map({ Healthcheck: { Interval: second } }, image);
  assert.deepEqual([inherited.health?.args, inherited.health?.intervalMs, inherited.health?.timeoutMs], [['/bin/bash', '-ec', 'probe'], 1000, 1000]);
  assert.deepEqual((inherited.personality['Config'] as Record<string, unknown>)['Healthcheck'], {
    Test: ['CMD-SHELL', 'probe'],
    Interval: second,
    Timeout: second,
    StartPeriod: 3 * second,
  });
  assert.deepEqual(map({ Healthcheck: { Test: ['CMD', 'true', 'x'] } }, image).health?.args, ['true', 'x']);
  assert.equal(map({ Healthcheck: { Test: ['NONE'] } }, image).health, undefined);
  assert.equal(map({ Healthcheck: { Interval: second } }).health, undefined);
});
