import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, createReadStream, writeSync } from 'node:fs';
import { openPty, resizePty } from '@berth/sys';
import { until } from '../oracle/index.ts';

/** A command in a pseudo-terminal, typed at as a person would. */
export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #master: number;
  #shown = '';

  private constructor(child: ChildProcess, master: number) {
    this.#child = child;
    this.#master = master;
    // Not closed by the stream: the descriptor is written to as well.
    const screen = createReadStream('', { fd: master, autoClose: false });
    screen.on('data', (chunk) => (this.#shown += chunk.toString()));
    // The kernel says EIO once nobody has the other side open any more.
    screen.on('error', () => undefined);
  }

  static open(command: string, args: readonly string[], options: { env: Record<string, string>; columns: number; rows: number }): Terminal {
    const { master, slave } = openPty();
    resizePty(master, options);
    // `setsid --ctty` makes the pseudo-terminal the command's own, so that window changes reach it as signals.
    const child = spawn('setsid', ['--ctty', '--wait', command, ...args], {
      stdio: [slave, slave, slave],
      env: { ...process.env, TERM: 'xterm', ...options.env },
    });
    closeSync(slave);
    return new Terminal(child, master);
  }

  /** All that was shown since the last `forget`. */
  get shown(): string {
    return this.#shown;
  }

  forget(): void {
    this.#shown = '';
  }

  type(text: string): void {
    writeSync(this.#master, text);
  }

  resize(size: { columns: number; rows: number }): void {
    resizePty(this.#master, size);
  }

  async sees(pattern: RegExp, limitMs = 30_000): Promise<RegExpExecArray> {
    return until(`${pattern} on the screen`, limitMs, () => pattern.exec(this.#shown) ?? undefined).catch((error: Error) => {
      throw new Error(`${error.message}; it shows ${JSON.stringify(this.#shown.slice(-1000))}`);
    });
  }

  /** The command's exit code. */
  async ended(limitMs = 30_000): Promise<number> {
    await until('the command ends', limitMs, () => this.#child.exitCode !== null || this.#child.signalCode !== null);
    return this.#child.exitCode ?? 128;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await this.ended();
    }
    closeSync(this.#master);
  }
}
