import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import { GuestConnection } from '@berth/guest-protocol';
import { run } from '@berth/sys';
import { buildGuest, type Guest } from '../index.ts';
import { CACHE } from './native-agent.ts';

/** Generous: a busy machine emulates slowly. */
const BOOT_MS = 180_000;

/** Connects as soon as somebody listens. */
export async function dial(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = connect(path);
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      });
    } catch {
      await delay(5);
    }
  }
}

/** Just enough of QMP: one command at a time. */
class Monitor {
  readonly #socket: Socket;
  #buffer = '';
  readonly #lines: string[] = [];
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString();
      const lines = this.#buffer.split('\n');
      this.#buffer = lines.pop() ?? '';
      this.#lines.push(...lines);
      this.#wake();
    });
  }

  async execute(command: string, args: object = {}): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    for (;;) {
      const line = this.#lines.shift();
      if (line === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const message = JSON.parse(line) as { return?: unknown; error?: { desc: string } };
      if (message.error !== undefined) throw new Error(`${command}: ${message.error.desc}`);
      if ('return' in message) return message.return;
    }
  }

  async until(command: string, done: (answer: { status: string }) => boolean): Promise<void> {
    for (const end = Date.now() + 60_000; !done((await this.execute(command)) as { status: string }); ) {
      if (Date.now() > end) throw new Error(`${command} takes too long`);
      await delay(5);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One QEMU, ended and forgotten when disposed. */
export class Vm implements AsyncDisposable {
  readonly #stop: AbortController;
  readonly #directory: string;
  readonly ended: Promise<string>;
  #connection: GuestConnection | undefined;

  constructor(directory: string, args: readonly string[]) {
    this.#directory = directory;
    this.#stop = new AbortController();
    this.ended = run('qemu-system-x86_64', args, { signal: this.#stop.signal, timeoutMs: 600_000 }).then(
      (result) => result.stderr,
      (error: unknown) => (this.#stop.signal.aborted ? '' : String(error)),
    );
  }

  async connect(options: { resume?: boolean } = {}): Promise<GuestConnection> {
    await this.#connection?.[Symbol.asyncDispose]();
    const signal = AbortSignal.timeout(BOOT_MS);
    this.#connection = new GuestConnection(await dial(join(this.#directory, 'agent'), signal));
    await this.#connection.hello({ ...options, signal });
    return this.#connection;
  }

  async monitor(): Promise<Monitor> {
    const monitor = new Monitor(await dial(join(this.#directory, 'qmp'), AbortSignal.timeout(30_000)));
    await monitor.execute('qmp_capabilities');
    return monitor;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.[Symbol.asyncDispose]();
    this.#stop.abort();
    await this.ended;
  }
}

/** A guest with an image's layers mounted, rehearsed and saved; VMs are forked from it. */
export class Template implements AsyncDisposable {
  readonly guest: Guest;
  readonly #directory: string;
  readonly #layers: readonly string[];
  #clones = 0;

  private constructor(guest: Guest, directory: string, layers: readonly string[]) {
    this.guest = guest;
    this.#directory = directory;
    this.#layers = layers;
  }

  /** Boots, mounts, seals, saves. `layers`: squashfs files, lowest first. */
  static async open(layers: readonly string[]): Promise<Template> {
    const directory = await mkdtemp(join(tmpdir(), 'berth-vm-'));
    const guest = await buildGuest({ cacheDir: CACHE, outputDir: join(CACHE, 'guest') });
    const template = new Template(guest, directory, layers);
    await template.#makeScratch();
    await using vm = new Vm(directory, [
      ...template.#machine(directory, 'on', join(directory, 'scratch')),
      '-kernel',
      guest.kernel,
      '-initrd',
      guest.initramfs,
      '-append',
      guest.commandLine.tcg,
    ]);
    const agent = await vm.connect();
    await agent.mountLayers(layers.map((_, index) => ({ device: { index } })));
    await agent.seal();
    await agent.prepare({ scratch: { index: layers.length }, format: false });
    await agent[Symbol.asyncDispose]();
    const monitor = await vm.monitor();
    await monitor.execute('stop');
    await monitor.execute('migrate-set-capabilities', { capabilities: [{ capability: 'x-ignore-shared', state: true }] });
    await monitor.execute('migrate', { uri: `exec:cat >${directory}/state` });
    await monitor.until('query-migrate', (answer) => answer.status === 'completed');
    monitor.close();
    return template;
  }

  async #makeScratch(): Promise<void> {
    const path = join(this.#directory, 'scratch');
    await writeFile(path, '');
    await truncate(path, 32 << 20);
    await run('mkfs.ext4', ['-q', '-F', path]);
  }

  /** A running clone of the prepared template, with its own copy of the scratch disk: `start` comes next. */
  async clone(): Promise<{ vm: Vm; agent: GuestConnection; scratch: string }> {
    const directory = join(this.#directory, `clone${this.#clones++}`);
    await run('mkdir', [directory]);
    const scratch = join(directory, 'scratch');
    await run('cp', ['--sparse=always', join(this.#directory, 'scratch'), scratch]);
    const vm = new Vm(directory, [...this.#machine(directory, 'off', scratch), '-incoming', 'defer']);
    const monitor = await vm.monitor();
    await monitor.execute('migrate-set-capabilities', { capabilities: [{ capability: 'x-ignore-shared', state: true }] });
    await monitor.execute('migrate-incoming', { uri: `exec:cat ${this.#directory}/state` });
    await monitor.until('query-status', (answer) => answer.status !== 'inmigrate');
    await monitor.execute('cont');
    monitor.close();
    const agent = await vm.connect();
    await agent.personalise({
      entropy: randomBytes(64),
      timeNs: BigInt(Date.now()) * 1_000_000n,
      machineId: randomBytes(16).toString('hex'),
      bootId: randomUUID(),
    });
    return { vm, agent, scratch };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }

  #machine(directory: string, share: 'on' | 'off', scratch: string): string[] {
    const drives = this.#layers.flatMap((layer, i) => [
      '-drive',
      `id=l${i},file=${layer},format=raw,if=none,readonly=on,file.locking=off`,
      '-device',
      `virtio-blk-device,drive=l${i}`,
    ]);
    return [
      '-object',
      `memory-backend-file,id=mem,size=128M,mem-path=${this.#directory}/memory,share=${share}`,
      '-M',
      'microvm,isa-serial=off,rtc=off,pit=off,pic=off,ioapic2=on,memory-backend=mem',
      '-cpu',
      'max',
      '-accel',
      'tcg',
      '-m',
      '128M',
      '-smp',
      '1',
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-no-reboot',
      '-qmp',
      `unix:${directory}/qmp,server=on,wait=off`,
      '-chardev',
      `socket,id=agent,path=${directory}/agent,server=on,wait=off`,
      '-device',
      'virtio-serial-device,max_ports=2',
      '-device',
      'virtserialport,chardev=agent,name=berth.agent',
      '-device',
      'virtio-balloon-device,free-page-reporting=on',
      ...drives,
      '-drive',
      `id=scratch,file=${scratch},format=raw,if=none,file.locking=off`,
      '-device',
      'virtio-blk-device,drive=scratch',
      '-netdev',
      'hubport,id=n0,hubid=0',
      '-device',
      'virtio-net-device,netdev=n0',
    ];
  }
}

/** A squashfs of busybox with a few files of /etc, as an image's lowest layer. */
export async function busyboxLayer(directory: string): Promise<string> {
  const root = join(directory, 'root');
  const layer = join(directory, 'base.squashfs');
  await run('sh', [
    '-c',
    `
    mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/home/app" && chmod 1777 "$1/tmp" && chown 1000:1000 "$1/home/app"
    cp /bin/busybox "$1/bin/" && for name in $(busybox --list); do [ "$name" = busybox ] || ln -sf busybox "$1/bin/$name"; done
    printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' >"$1/etc/passwd"
    printf 'root:x:0:\napp:x:1000:\nextra:x:2000:app\n' >"$1/etc/group"
    ln -s /run/nowhere/resolv.conf "$1/etc/resolv.conf"
    rm -f "$2" && mksquashfs "$1" "$2" -quiet -no-progress -comp zstd`,
    'sh',
    root,
    layer,
  ]);
  return layer;
}
