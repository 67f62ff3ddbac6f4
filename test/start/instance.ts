import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DockerCli, NetNamespace } from '../oracle/index.ts';

const root = resolve(import.meta.dirname, '../..');

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** An instance that is driven as a user drives it, by bootstrap.mjs, with directories and a network namespace of its own. */
export class StartedInstance implements AsyncDisposable {
  readonly directory: string;
  readonly docker: DockerCli;
  readonly #netns: NetNamespace;
  readonly #arguments: readonly string[];

  private constructor(directory: string, netns: NetNamespace) {
    this.directory = directory;
    this.#netns = netns;
    const prefix = `s${randomBytes(3).toString('hex').slice(0, 5)}`;
    this.#arguments = ['--state-dir', this.stateDirectory, '--run-dir', this.runDirectory, '--prefix', prefix];
    this.docker = new DockerCli({ socketPath: join(this.runDirectory, 'default.sock'), configDirectory: join(directory, 'cli') });
  }

  static async open(): Promise<StartedInstance> {
    return new StartedInstance(await mkdtemp(join(tmpdir(), 'bt-s-')), await NetNamespace.open('start'));
  }

  get stateDirectory(): string {
    return join(this.directory, 'state');
  }

  get runDirectory(): string {
    return join(this.directory, 'run');
  }

  /** Starts a command of bootstrap.mjs and gives the process, with its output collected. */
  spawn(command: string, ...args: readonly string[]): { child: ChildProcess; output: () => string; ended: Promise<Ended> } {
    const [program, all] = this.#netns.enter(process.execPath, [join(root, 'bootstrap.mjs'), command, ...this.#arguments, ...args]);
    const child = spawn(program, all, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, CI: 'true' } });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise<Ended>((done, failed) => {
      child.once('error', failed);
      child.once('close', (code) => done({ code, output: text }));
    });
    return { child, output: () => text, ended };
  }

  /** Runs a command of bootstrap.mjs to its end. */
  async command(command: string, ...args: readonly string[]): Promise<Ended> {
    return this.spawn(command, ...args).ended;
  }

  /** The one JSON object a command prints with `--json`. */
  async json(command: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
    const { code, output } = await this.command(command, '--json', ...args);
    if (code !== 0) throw new Error(`${command} --json ended with ${code}: ${output}`);
    return JSON.parse(output) as Record<string, unknown>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.command('stop', '--all');
    await this.#netns[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }
}
