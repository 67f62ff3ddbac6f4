import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import { buildGuest } from '@berth/guest';
import type { NicSpec, Rootfs } from '@berth/runtime';
import { enterOwnNetwork, findProcesses, ipBatch, listLinks, run } from '@berth/sys';
import { MicrovmRuntime } from '../microvm-runtime.ts';
import type { MicrovmRuntimeOptions } from '../options.ts';

/** Guests are built once for all suites of this machine. */
const CACHE = '/var/cache/berth-test/guest';

/** A runtime under test with folders, a network namespace and a busybox image of its own. */
export class World implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bmv-'));
  readonly prefix = `b${randomBytes(2).toString('hex')}`;
  readonly log: string[] = [];
  rootfs: Rootfs = { layers: [] };
  runtime!: MicrovmRuntime;
  #options!: MicrovmRuntimeOptions;
  #alive: NodeJS.Timeout | undefined;

  static async open(changes: Partial<MicrovmRuntimeOptions> = {}): Promise<World> {
    const world = new World();
    // A VM is nobody's child as far as Node is concerned: something has to keep the loop going.
    world.#alive = setInterval(() => undefined, 1000);
    const guest = await buildGuest({ cacheDir: CACHE, outputDir: CACHE });
    enterOwnNetwork();
    await ipBatch([
      'link set lo up',
      ...[1, 2].flatMap((n) => [
        `link add ${world.prefix}-br${n} type bridge`,
        `addr add 10.99.${n}.1/24 dev ${world.prefix}-br${n}`,
        `link set ${world.prefix}-br${n} up`,
      ]),
    ]);
    world.rootfs = { layers: [await world.#busybox()] };
    world.#options = {
      stateDirectory: join(world.directory, 'state'),
      runDirectory: join(world.directory, 'run'),
      prefix: world.prefix,
      guest,
      acceleration: 'tcg',
      log: (level, message) => world.log.push(`${level}: ${message}`),
      ...changes,
    };
    world.runtime = await MicrovmRuntime.open(world.#options);
    return world;
  }

  get templates(): string {
    return join(this.directory, 'state', 'templates');
  }

  /** The daemon goes and comes back. */
  async reopen(changes: Partial<MicrovmRuntimeOptions> = {}): Promise<MicrovmRuntime> {
    await this.runtime[Symbol.asyncDispose]();
    this.runtime = await MicrovmRuntime.open({ ...this.#options, ...changes });
    return this.runtime;
  }

  nic(network: 1 | 2, host: number): NicSpec {
    const mac = `02:aa:00:00:0${network}:${host.toString(16).padStart(2, '0')}`;
    const ipv4 = { address: `10.99.${network}.${host}`, prefix: 24 };
    const route = network === 1 ? { gateway: '10.99.1.1' } : {};
    return { networkId: `net${network}`, name: `eth${network - 1}`, bridge: `${this.prefix}-br${network}`, mac, ipv4, mtu: 1500, ...route };
  }

  /** Ends everything and asserts that nothing is left: no process, tap, folder of a container or of a VM. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.sweep(new Set());
    await this.runtime[Symbol.asyncDispose]();
    clearInterval(this.#alive);
    const run = join(this.directory, 'run');
    const left = {
      processes: findProcesses((args) => args.some((arg) => arg.includes(this.directory))).length,
      taps: (await listLinks({ kind: 'tun' })).map((link) => link.ifname),
      vms: readdirSync(join(run, 'vms')),
      containers: readdirSync(join(this.directory, 'state', 'containers')),
      waiting: readdirSync(join(this.directory, 'state', 'waiting')),
    };
    rmSync(this.directory, { recursive: true, force: true });
    assert.deepEqual(left, { processes: 0, taps: [], vms: [], containers: [], waiting: [] });
  }

  async #busybox(): Promise<{ path: string; diffId: string }> {
    const root = join(this.directory, 'root');
    for (const folder of ['bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev']) mkdirSync(join(root, folder), { recursive: true });
    await copyFile('/bin/busybox', join(root, 'bin', 'busybox'));
    const { stdout } = await run('/bin/busybox', ['--list']);
    for (const applet of stdout.trim().split('\n')) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
    writeFileSync(join(root, 'etc', 'group'), 'root:x:0:\nnogroup:x:65534:\n');
    const path = join(this.directory, 'busybox.squashfs');
    await run('mksquashfs', [root, path, '-quiet', '-no-progress', '-noI', '-noD', '-noF', '-noX', '-all-root']);
    rmSync(root, { recursive: true });
    const diffId = `sha256:${createHash('sha256').update(path).digest('hex')}`;
    return { path, diffId };
  }
}
