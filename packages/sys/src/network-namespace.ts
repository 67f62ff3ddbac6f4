import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { run, type RunOptions, type RunResult } from './run.ts';

/** A named network namespace (`ip netns`). Made for tests, which never touch the host's own. */
export class NetworkNamespace implements AsyncDisposable {
  readonly name: string;
  static readonly #alive = new Set<string>();
  readonly #children = new Set<ChildProcess>();

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes one named `bt-<random>`, its loopback up. */
  static async make(): Promise<NetworkNamespace> {
    const namespace = new NetworkNamespace(`bt-${randomBytes(4).toString('hex')}`);
    await run('ip', ['netns', 'add', namespace.name], { timeoutMs: 10_000 });
    NetworkNamespace.#alive.add(namespace.name);
    await run('ip', ['-n', namespace.name, 'link', 'set', 'lo', 'up'], { timeoutMs: 10_000 });
    return namespace;
  }

  /** Names of those that this process has made and not disposed of. */
  static alive(): string[] {
    return [...NetworkNamespace.#alive];
  }

  run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run('ip', ['netns', 'exec', this.name, command, ...args], options);
  }

  /** Starts a process that lives until it ends or the namespace is disposed of. */
  start(command: string, args: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = [...this.#children].map((child) => new Promise((resolve) => child.once('close', resolve)));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ends);
    await run('ip', ['netns', 'del', this.name], { timeoutMs: 10_000, accept: [0, 1] });
    NetworkNamespace.#alive.delete(this.name);
  }
}
