import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, statSync, write } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { openPty, resizePty } from '@berth/sys';
import type { ProcessSpec, TerminalSize } from '../port.ts';
import { findCommand } from './command.ts';
import { Journal } from './journal.ts';

export interface Ended {
  readonly exitCode: number;
  readonly finishedAtMs: number;
}

/** A process of a container, with its journal; ends when the process has ended and its last byte is in the journal. */
export class HeldProcess {
  readonly journal: Journal;
  readonly pid: number;
  readonly startedAtMs = Date.now();
  ended: Ended | undefined;
  onEnded: (ended: Ended) => void = () => undefined;
  /** The process is gone; what it started may still hold its output open. */
  onExit: () => void = () => undefined;
  readonly #child: ChildProcess;
  readonly #master: number | undefined;
  readonly #sources: Readable[] = [];
  #open = 0;
  #exit: Ended | undefined;

  private constructor(child: ChildProcess, pid: number, master: number | undefined) {
    this.#child = child;
    this.pid = pid;
    this.#master = master;
    this.journal = new Journal(() => this.#sources.forEach((source) => source.resume()));
    child.on('exit', (code, signal) => {
      this.#exit = { exitCode: code ?? 128 + (constants.signals[signal ?? 'SIGKILL'] ?? 0), finishedAtMs: Date.now() };
      this.onExit();
      this.#finish();
    });
    if (master === undefined) {
      if (child.stdout !== null) this.#take('stdout', child.stdout);
      if (child.stderr !== null) this.#take('stderr', child.stderr);
      child.stdin?.on('error', () => undefined);
    } else {
      this.#take('stdout', new ReadStream(master));
    }
  }

  static async start(process: ProcessSpec, environment: Readonly<Record<string, string>>, home: string): Promise<HeldProcess> {
    const command = findCommand(process.args[0] ?? '', process.env);
    mkdirSync(home, { recursive: true });
    const env: Record<string, string> = {};
    for (const line of process.env) env[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
    const options = {
      argv0: process.args[0] ?? command,
      cwd: existsSync(process.cwd) && statSync(process.cwd).isDirectory() ? process.cwd : home,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env, ...environment },
    };
    const pty = process.terminal ? openPty() : undefined;
    let child: ChildProcess;
    if (pty === undefined) {
      child = spawn(command, process.args.slice(1), { ...options, detached: true, stdio: [process.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
    } else {
      resizePty(pty.master, process.terminalSize ?? { columns: 80, rows: 24 });
      child = spawn('setsid', ['--ctty', command, ...process.args.slice(1)], { ...options, argv0: 'setsid', stdio: [pty.slave, pty.slave, pty.slave] });
      closeSync(pty.slave);
    }
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return new HeldProcess(child, child.pid ?? 0, pty?.master);
  }

  #take(stream: 'stdout' | 'stderr', source: Readable): void {
    this.#open += 1;
    this.#sources.push(source);
    source.on('data', (data: Buffer) => {
      this.journal.append(stream, data);
      if (this.journal.full) this.#sources.forEach((other) => other.pause());
    });
    // The other side of a terminal that nobody holds any more reads as EIO: that is its end of file.
    source.on('error', () => source.destroy());
    source.once('close', () => {
      this.#open -= 1;
      this.#finish();
    });
  }

  #finish(): void {
    if (this.#exit === undefined || this.ended !== undefined || this.#open > 0) return;
    this.ended = this.#exit;
    this.onEnded(this.ended);
  }

  async writeStdin(data: Buffer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#master !== undefined && this.ended === undefined) write(this.#master, data, () => resolve());
    else if (this.#child.stdin === null || this.#child.stdin.destroyed) resolve();
    else this.#child.stdin.write(data, () => resolve());
    await promise;
  }

  closeStdin(): void {
    this.#child.stdin?.end();
  }

  resize(size: TerminalSize): void {
    if (this.#master !== undefined && this.ended === undefined) resizePty(this.#master, size);
  }

  signal(signal: number): void {
    if (this.#exit === undefined) this.#child.kill(signal);
  }
}
