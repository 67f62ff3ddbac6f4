import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { berthdArguments } from '../../programs/bootstrap/berthd-command.mjs';

/** What the daemon says about itself once it is ready. */
export interface DaemonFacts {
  readonly pid: number;
  readonly acceleration: 'kvm' | 'tcg' | 'none';
  readonly verdict: string;
}

export interface DaemonPlace {
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly prefix: string;
  readonly guestDirectory: string;
  /** Added to the daemon's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly extraArgs?: readonly string[];
  readonly outputPath: string;
  /** Wraps the command line (a namespace). */
  enter(command: string, args: readonly string[]): [string, string[]];
}

/** One life of berthd. */
export class DaemonProcess {
  readonly child: ChildProcess;
  readonly ready: Promise<DaemonFacts>;
  readonly #outputPath: string;

  /** `nsenter` and the like execute in place, so the child's pid is the daemon's. */
  constructor(place: DaemonPlace, limitMs: number) {
    const output = openSync(place.outputPath, 'a');
    const [command, args] = place.enter(process.execPath, [...berthdArguments(place), ...(place.extraArgs ?? [])]);
    this.#outputPath = place.outputPath;
    this.child = spawn(command, args, { cwd: '/', detached: true, stdio: ['ignore', output, output, 'pipe'], env: { ...process.env, ...place.env } });
    closeSync(output);
    this.ready = this.#awaitReady(limitMs);
    this.ready.catch(() => undefined);
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  output(): string {
    try {
      return readFileSync(this.#outputPath, 'utf8');
    } catch {
      return '(its output is removed)';
    }
  }

  #awaitReady(limitMs: number): Promise<DaemonFacts> {
    return new Promise((resolve, reject) => {
      let rest = '';
      const fail = (why: string) => reject(new Error(`${why}; it printed: ${this.output().slice(-3000)}`));
      const timer = setTimeout(() => fail(`berthd was not ready within ${limitMs} ms`), limitMs);
      const progress = this.child.stdio[3] as Readable;
      progress.on('error', () => undefined);
      progress.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const message = JSON.parse(line) as { ready?: DaemonFacts; failed?: { message: string; detail?: string } };
          if (message.ready !== undefined) {
            clearTimeout(timer);
            resolve(message.ready);
          }
          if (message.failed !== undefined) fail(`berthd failed: ${message.failed.message} ${message.failed.detail ?? ''}`);
        }
      });
      this.child.once('error', (error) => fail(error.message));
      this.child.once('exit', (code, signal) => fail(`berthd ended with ${signal ?? code}`));
      const clear = () => clearTimeout(timer);
      progress.once('close', clear);
      this.child.once('exit', clear);
    });
  }

  /** Sends the signal and waits until the process is gone. */
  async end(signal: NodeJS.Signals, limitMs = 30_000): Promise<void> {
    if (this.ended) return;
    const gone = new Promise<boolean>((resolve) => {
      this.child.once('exit', () => resolve(true));
      setTimeout(() => resolve(false), limitMs).unref();
    });
    this.child.kill(signal);
    if (await gone) return;
    this.child.kill('SIGKILL');
    throw new Error(`berthd did not end within ${limitMs} ms of ${signal}; it printed: ${this.output().slice(-3000)}`);
  }
}
