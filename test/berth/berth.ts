import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';
import { DockerCli, NetNamespace, until, writeBusyboxImage } from '../oracle/index.ts';
import { type DaemonFacts, DaemonProcess } from './daemon-process.ts';
import { beginWith, remember } from './remembered.ts';
import { type FoundProcess, instanceProcesses, type Survey, survey, type SurveyPlace } from './survey.ts';

export interface BerthOptions {
  /** Kept when given, and not removed at the end; absent: a fresh temporary one. */
  readonly stateDirectory?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly extraArgs?: readonly string[];
  /** Until ready, at the first start; default 120 s, because a template is booted. */
  readonly limitMs?: number;
}

/** A Berth of one's own. Disposing it ends every process that names it and removes whatever it made. */
export class Berth implements AsyncDisposable {
  readonly docker: DockerCli;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly prefix: string;
  readonly netns: NetNamespace;
  /** Milliseconds from spawn to ready of the latest start. */
  readyMs = Number.NaN;
  readonly #options: BerthOptions;
  #process: DaemonProcess | undefined;
  #facts: DaemonFacts | undefined;
  #disposed: Promise<void> | undefined;

  private constructor(directory: string, netns: NetNamespace, options: BerthOptions) {
    this.directory = directory;
    this.netns = netns;
    this.#options = options;
    this.stateDirectory = options.stateDirectory ?? join(directory, 'state');
    this.runDirectory = join(directory, 'run');
    this.prefix = `b${randomBytes(3).toString('hex').slice(0, 5)}`;
    this.docker = new DockerCli({ socketPath: join(this.runDirectory, 'default.sock'), configDirectory: join(directory, 'cli') });
  }

  static get guestDirectory(): string {
    return process.env['BERTH_GUEST'] ?? fileURLToPath(new URL('../../build/guest', import.meta.url));
  }

  /** Running, ready, with `busybox:latest` there. */
  static async open(options: BerthOptions = {}): Promise<Berth> {
    if (!existsSync(join(Berth.guestDirectory, 'manifest.json'))) throw new Error('the guest is not built: npm start builds it');
    const directory = await mkdtemp(join(tmpdir(), 'bt-b-'));
    const berth = new Berth(directory, await NetNamespace.open('berth'), options);
    try {
      await mkdir(berth.stateDirectory, { recursive: true, mode: 0o711 });
      await mkdir(berth.runDirectory, { recursive: true, mode: 0o711 });
      await run('chmod', ['711', directory]);
      await beginWith(berth.stateDirectory);
      await berth.start(options.limitMs ?? 120_000);
      await remember(berth.stateDirectory);
      await berth.#ensureBusybox();
      return berth;
    } catch (error) {
      await berth[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #ensureBusybox(): Promise<void> {
    if ((await this.docker.run(['image', 'inspect', 'busybox'])).exitCode === 0) return;
    const archive = join(this.directory, 'busybox.tar');
    await writeBusyboxImage(archive);
    await this.docker.ok(['load', '-q', '-i', archive]);
  }

  /** Starts the daemon on what is there; resolves when it is ready. Gives the milliseconds that took. */
  async start(limitMs = 60_000): Promise<number> {
    const begin = performance.now();
    this.#process = new DaemonProcess(
      {
        stateDirectory: this.stateDirectory,
        runDirectory: this.runDirectory,
        prefix: this.prefix,
        guestDirectory: Berth.guestDirectory,
        outputPath: join(this.directory, 'berthd.out'),
        enter: (command, args) => this.netns.enter(command, args),
        env: { ...this.#options.env, ...this.environment },
        ...(this.#options.extraArgs === undefined ? {} : { extraArgs: this.#options.extraArgs }),
      },
      limitMs,
    );
    this.#facts = await this.#process.ready;
    this.readyMs = performance.now() - begin;
    return this.readyMs;
  }

  /** Children inherit it, which is how the survey finds them. */
  get environment(): Record<string, string> {
    return { BERTH_TEST_INSTANCE: this.prefix };
  }

  get facts(): DaemonFacts {
    if (this.#facts === undefined) throw new Error('it was never ready');
    return this.#facts;
  }

  get daemonPid(): number {
    return this.#process?.child.pid ?? 0;
  }

  get daemonEnded(): boolean {
    return this.#process?.ended ?? true;
  }

  /** What the daemon printed in all its lives, and its log. */
  output(): string {
    return this.#process?.output() ?? '';
  }

  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }

  async terminate(): Promise<void> {
    await this.#process?.end('SIGTERM');
  }

  get place(): SurveyPlace {
    return {
      stateDirectory: this.stateDirectory,
      runDirectory: this.runDirectory,
      prefix: this.prefix,
      netnsName: this.netns.name,
      marks: [this.directory, this.stateDirectory, `BERTH_TEST_INSTANCE=${this.prefix}`, `/${this.prefix}`],
    };
  }

  processes(): FoundProcess[] {
    return instanceProcesses(this.place);
  }

  /** Virtual machines, of containers and of the pool. */
  machines(): FoundProcess[] {
    return this.processes().filter((process) => process.name.startsWith('qemu'));
  }

  survey(): Promise<Survey> {
    return survey(this.place);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    await this.#process?.end('SIGKILL');
    await until('every process of the instance is gone', 20_000, () => {
      const left = this.processes();
      for (const { pid } of left) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Gone by itself.
        }
      }
      return left.length === 0;
    });
    const left = await this.survey();
    for (const mount of [...left.mounts].sort().reverse()) await run('umount', ['-l', mount], { accept: [0, 1, 32] });
    for (const group of [...left.cgroups].sort().reverse()) await rmdir(group).catch(() => undefined);
    for (const name of left.shm) await rm(join('/dev/shm', name), { recursive: true, force: true });
    for (const name of left.namespaces) await run('ip', ['netns', 'delete', name], { accept: [0, 1] });
    await this.netns[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }
}
