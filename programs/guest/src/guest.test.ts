import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ContainerSpec, ProcessSpec } from '@berth/runtime';
import { run } from '@berth/sys';
import { buildGuest } from './index.ts';
import { containerSpec, processSpec, Recorder } from './testing/container.ts';
import { CACHE } from './testing/native-agent.ts';
import { busyboxLayer, Template } from './testing/vm.ts';

let directory: string;
let template: Template;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-guest-'));
  template = await Template.open([await busyboxLayer(directory)]);
});

after(async () => {
  await template[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const sh = (script: string, changes: Partial<ProcessSpec> = {}): ProcessSpec => processSpec(['sh', '-c', script], { env: ['PATH=/bin'], ...changes });

/** Runs one container in a clone of its own, to its end. */
async function runContainer(process: ProcessSpec, changes: Partial<ContainerSpec> = {}) {
  const { vm, agent } = await template.clone();
  await using _ = vm;
  const recorder = new Recorder();
  await agent.start(containerSpec(process, changes));
  agent.follow(recorder);
  const status = await agent.exited;
  return { status, recorder };
}

test('kernel and initramfs are small, and a second build does nothing', async () => {
  const guest = template.guest;
  const bytes = (await stat(guest.kernel)).size + (await stat(guest.initramfs)).size;
  assert.ok(bytes <= 11 << 20, `${bytes} bytes`);
  const made = (await stat(guest.initramfs)).mtimeMs;
  const again = await buildGuest({ cacheDir: CACHE, outputDir: join(CACHE, 'guest') });
  assert.equal(again.key, guest.key);
  assert.equal((await stat(again.initramfs)).mtimeMs, made);
});

test('a container sees its own root, names, processes, network and identity', async () => {
  const script = `id; hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf; ls -A /; ls /dev; ps -o pid,args
    ip -4 -o addr show eth0; ip route; cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu
    cat /proc/sys/net/ipv4/ip_forward; cat /proc/self/cgroup; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max
    df -m /scratch | tail -1; head -c1 /proc/kcore | wc -c; echo x >/proc/sys/kernel/hostname; echo "sysrq $?"
    echo y >/persist; sync; exit 7`;
  const { status, recorder } = await runContainer(sh(script, { user: '' }), {
    sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.shmmax': '12345678' },
    limits: { memoryBytes: 40 << 20, cpus: 0.5, pids: 64 },
    mounts: [{ type: 'tmpfs', target: '/scratch', options: ['size=3m', 'mode=1777'] }],
    networks: [
      { networkId: 'n', name: 'eth0', bridge: '', mac: '02:00:00:00:00:07', ipv4: { address: '10.9.8.7', prefix: 24 }, gateway: '10.9.8.1', mtu: 1400 },
    ],
  });
  const text = recorder.text();
  assert.equal(status.exitCode, 7);
  for (const expected of [
    /^uid=0\(root\) gid=0\(root\)/m,
    /^box$/m,
    /127\.0\.0\.1\tlocalhost/,
    /nameserver 192\.0\.2\.53/,
    /10\.9\.8\.7\/24/,
    /default via 10\.9\.8\.1 dev eth0/,
    /02:00:00:00:00:07\n1400\n1\n0::\/\n41943040\n50000 100000\n64\n/,
    /^ +1 sh -c id/m,
    /^0\nsh: .*Read-only file system\nsysrq 1$/m,
  ]) {
    assert.match(text, expected);
  }
  assert.ok(!text.includes('lost+found'));
});

test('users, read-only root, terminal and execs inside a VM', async () => {
  const { vm, agent } = await template.clone();
  await using _ = vm;
  const recorder = new Recorder();
  await agent.start(containerSpec(sh('echo up; exec sleep 1000', { user: 'app', cwd: '/home/app' }), { readonlyRootfs: true }));
  agent.follow(recorder);
  await recorder.until(/up/);
  const ask = async (process: ProcessSpec) => {
    const output = new Recorder();
    const running = await agent.exec(process, output);
    const { exitCode } = await running.exited;
    return { exitCode, text: output.text() };
  };
  assert.deepEqual(await ask(sh('id; touch /nope 2>&1; pwd', { user: 'app', cwd: '/home/app' })), {
    exitCode: 0,
    text: 'uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)\ntouch: /nope: Read-only file system\n/home/app\n',
  });
  assert.deepEqual(await ask(sh('tty; stty size', { terminal: true, terminalSize: { columns: 90, rows: 33 } })), {
    exitCode: 0,
    text: '/dev/pts/0\r\n33 90\r\n',
  });
  const codes = await Promise.all(Array.from({ length: 49 }, (_, i) => ask(sh(`exit ${i}`))));
  assert.deepEqual(
    codes.map((c) => c.exitCode),
    Array.from({ length: 49 }, (_, i) => i),
  );
  await assert.rejects(agent.exec(sh('true', { args: ['/etc/passwd'] } as Partial<ProcessSpec>), new Recorder()), {
    code: 'command-not-executable',
  });
  // What could not be executed is reaped a moment after that is told.
  const end = Date.now() + 5_000;
  let rows = await agent.processes();
  while (rows.length > 1 && Date.now() < end) rows = await agent.processes();
  assert.deepEqual(
    rows.map((row) => [row.pid, row.uid, row.euid, row.pgid, row.sid, row.threads, row.nice, row.name, row.command]),
    [[1, 1000, 1000, 1, 1, 1, 0, 'sleep', 'sleep 1000']],
  );
  const statistics = await agent.statistics();
  assert.ok(statistics.cpuUsageNs > 0 && statistics.memoryUsageBytes > 0 && statistics.pids >= 1);

  await agent.freeze(true);
  await agent.signal(9);
  await agent.freeze(false);
  assert.equal((await agent.exited).exitCode, 137);
});

test('a new connection takes over: output, exit code, nothing lost, nothing twice', async () => {
  const { vm, agent } = await template.clone();
  await using _ = vm;
  const recorder = new Recorder();
  const sink = (connection: typeof agent, pieces: number) => ({
    get position() {
      return recorder.position;
    },
    write(stream: 'stdout' | 'stderr', data: Buffer, offset: number) {
      recorder.write(stream, data, offset);
      if (--pieces === 0) void connection[Symbol.asyncDispose]();
    },
  });
  await agent.start(containerSpec(sh('i=0; while [ $i -lt 4000 ]; do echo "line $i"; i=$((i+1)); done; exit 3')));
  agent.follow(sink(agent, 2));
  await agent.closed;
  for (let round = 0; round < 3; round++) {
    const next = await vm.connect({ resume: true });
    next.follow(sink(next, 3));
    await Promise.race([next.closed, next.exited]);
  }
  const last = await vm.connect({ resume: true });
  last.follow(recorder);
  assert.equal((await last.exited).exitCode, 3);
  assert.equal(recorder.text(), Array.from({ length: 4000 }, (_, i) => `line ${i}\n`).join(''));
});

test('a running container changes: interfaces, files, limits', async () => {
  const { vm, agent } = await template.clone();
  await using _ = vm;
  await agent.start(containerSpec(processSpec(['sleep', '1000'], { env: ['PATH=/bin'] })));
  const ask = async (script: string) => {
    const output = new Recorder();
    await (await agent.exec(sh(script), output)).exited;
    return output.text();
  };
  const nic = (name: string, last: number) => ({
    networkId: 'n',
    name,
    bridge: '',
    mac: `02:00:00:00:00:0${last}`,
    ipv4: { address: `10.9.8.${last}`, prefix: 24 },
    ipv6: { address: `fd00::${last}`, prefix: 64 },
    gateway: '10.9.8.1',
    mtu: 1500,
  });
  await agent.configureNetwork(nic('web0', 3), { index: 0 });
  assert.match(await ask('ip addr show web0; ip route'), /link\/ether 02:00:00:00:00:03[^]*10\.9\.8\.3\/24[^]*fd00::3\/64[^]*default via 10\.9\.8\.1 dev web0/);
  assert.deepEqual(Object.keys((await agent.statistics()).networks), ['web0']);
  await agent.removeNetwork('web0');
  assert.doesNotMatch(await ask('ip addr; ip route'), /10\.9\.8|web0|fd00/);
  await agent.configureNetwork(nic('eth7', 4), { index: 0 });
  assert.match(await ask('ip addr show eth7'), /UP[^]*10\.9\.8\.4\/24/);
  await assert.rejects(agent.configureNetwork(nic('eth8', 5), { index: 1 }), { code: 'device-missing' });

  await agent.updateFiles({ hosts: '10.9.8.4 me\n' });
  assert.equal(await ask('cat /etc/hosts /etc/hostname'), '10.9.8.4 me\nbox\n');
  await agent.updateLimits({ memoryBytes: 20 << 20, pids: 33 });
  assert.equal(await ask('cd /sys/fs/cgroup; cat memory.max pids.max cpu.max'), '20971520\n33\nmax 100000\n');
  await agent.updateLimits({ cpus: 0.25 });
  assert.equal(await ask('cd /sys/fs/cgroup; cat pids.max cpu.max'), 'max\n25000 100000\n');
});

test('twenty layers, the upper over the lower', async () => {
  const layers = [await busyboxLayer(directory)];
  for (let i = 1; i < 20; i++) {
    const layer = join(directory, `layer${i}`);
    await run('sh', [
      '-c',
      'mkdir "$1" && echo "$2" >"$1/top" && echo "$2" >"$1/only$2" && mksquashfs "$1" "$1.squashfs" -quiet -no-progress',
      'sh',
      layer,
      String(i),
    ]);
    layers.push(`${layer}.squashfs`);
  }
  await using many = await Template.open(layers);
  const { vm, agent } = await many.clone();
  await using _ = vm;
  const recorder = new Recorder();
  await agent.start(containerSpec(sh('cat /top /only1 /only19; ls / | grep -c only')));
  agent.follow(recorder);
  await agent.exited;
  assert.equal(recorder.text(), '19\n1\n19\n19\n');
});

test('out of memory: 137 and said so, with a limit and without; the agent lives', async () => {
  const hungry = sh('a=x; while :; do a=$a$a; done');
  const limited = await runContainer(hungry, { limits: { memoryBytes: 16 << 20 } });
  assert.deepEqual([limited.status.exitCode, limited.status.oomKilled], [137, true]);
  const free = await runContainer(hungry);
  assert.deepEqual([free.status.exitCode, free.status.oomKilled], [137, true]);
});

test('what cannot be done is said as Docker says it', async () => {
  const cases: [ProcessSpec, Partial<ContainerSpec>, string, RegExp][] = [
    [processSpec(['nope'], { env: ['PATH=/bin'] }), {}, 'command-not-found', /^exec: "nope": executable file not found in \$PATH$/],
    [sh('true'), { sysctls: { 'net.no.such': '1' } }, 'sysctl-invalid', /open \/proc\/sys\/net\/no\/such: no such file or directory/],
  ];
  for (const [process, changes, code, message] of cases) {
    const { vm, agent } = await template.clone();
    await using _ = vm;
    await assert.rejects(agent.start(containerSpec(process, changes)), { code, message });
  }
});

test('clones differ in what must be their own, and shut down clean', async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 2; i++) {
    const { vm, agent, scratch } = await template.clone();
    await using _ = vm;
    const recorder = new Recorder();
    await agent.start(
      containerSpec(sh('cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; head -c 8 /dev/urandom | od -tx1; date +%s; echo z >/file')),
    );
    agent.follow(recorder);
    await agent.exited;
    const lines = recorder.text().split('\n');
    for (const line of lines.slice(0, 3)) assert.ok(!seen.has(line), line);
    for (const line of lines.slice(0, 3)) seen.add(line);
    assert.ok(Math.abs(Number(lines.find((line) => /^\d{10}$/.test(line))) - Date.now() / 1000) < 10);
    await agent.shutdown();
    await vm.ended;
    const check = await run('e2fsck', ['-n', '-f', scratch], { accept: [0, 1, 2, 4] });
    assert.equal(check.exitCode, 0, check.stdout);
    const state = await run('dumpe2fs', ['-h', scratch]);
    assert.match(state.stdout, /Filesystem state: +clean\n/);
    assert.doesNotMatch(state.stdout, /needs_recovery/);
  }
});
