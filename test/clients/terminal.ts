import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { openPty, resizePty } from '@berth/sys';
import type { DockerCli } from '../oracle/index.ts';
import { until } from '../oracle/index.ts';

/** A docker command with a terminal before it, as a person has one. */
export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #stream: ReadStream;
  readonly #master: number;
  #text = '';

  constructor(docker: DockerCli, args: readonly string[]) {
    const { master, slave } = openPty();
    resizePty(master, { columns: 100, rows: 30 });
    this.#master = master;
    this.#child = spawn('setsid', ['--ctty', '--wait', docker.command, ...docker.arguments(args)], {
      stdio: [slave, slave, slave],
      env: { ...process.env, ...docker.environment, TERM: 'xterm' },
    });
    closeSync(slave);
    this.#stream = new ReadStream(master);
    // The kernel says EIO when the last process has left the terminal.
    this.#stream.on('error', () => undefined);
    this.#stream.on('data', (part: Buffer) => {
      this.#text += part.toString('latin1');
    });
  }

  /** All that was shown so far. */
  get text(): string {
    return this.#text;
  }

  type(keys: string): void {
    this.#stream.write(Buffer.from(keys, 'latin1'));
  }

  resize(size: { columns: number; rows: number }): void {
    resizePty(this.#master, size);
  }

  async shows(wanted: RegExp, limitMs = 15_000): Promise<void> {
    await until(`the terminal shows ${wanted}: ${JSON.stringify(this.#text)}`, limitMs, () => wanted.test(this.#text)).catch((error: Error) => {
      throw new Error(`${error.message}\nshown: ${JSON.stringify(this.#text)}`, { cause: error });
    });
  }

  async exitCode(limitMs = 15_000): Promise<number> {
    if (this.#child.exitCode === null) await once(this.#child, 'exit', { signal: AbortSignal.timeout(limitMs) });
    return this.#child.exitCode ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    }
    this.#stream.destroy();
  }
}
