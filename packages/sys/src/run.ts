import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Fault } from '@berth/kit';

export interface RunOptions {
  /** Bytes or a stream for the command's standard input; absent: /dev/null. */
  readonly input?: string | Buffer | Readable;
  /** Kill it (SIGKILL) after so long; default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that are answers rather than failures; default only 0. */
  readonly accept?: readonly number[];
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a tool to its end and gives what it printed (at most 16 MiB of each). Faults: `command-failed` (its first line of
 * stderr in the message), `command-missing`, `command-timeout`.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const child = spawn(command, args, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const keep = (list: Buffer[]) => {
    let size = 0;
    return (chunk: Buffer) => {
      size += chunk.length;
      if (size <= 16 << 20) list.push(chunk);
    };
  };
  child.stdout?.on('data', keep(out));
  child.stderr?.on('data', keep(err));

  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const onAbort = () => child.kill('SIGKILL');
  options.signal?.addEventListener('abort', onAbort, { once: true });

  let inputError: unknown;
  try {
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
    });
    ended.catch(() => undefined);
    if (options.input !== undefined && child.stdin !== null) {
      if (typeof options.input === 'string' || Buffer.isBuffer(options.input)) {
        child.stdin.on('error', () => undefined);
        child.stdin.end(options.input);
      } else {
        // A source that fails must fail the command too; a command that stops reading early speaks by its exit code. One
        // that exits between our last byte and our end of file closes the pipe first, which is no failure of the source.
        const source = options.input;
        const stdin = child.stdin;
        let closedByCommand = false;
        stdin.once('close', () => {
          closedByCommand = !source.closed || source.readableEnded;
        });
        await pipeline(source, stdin).catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'EPIPE' || (error.code === 'ERR_STREAM_PREMATURE_CLOSE' && closedByCommand)) return;
          inputError = error;
          child.kill('SIGKILL');
        });
      }
    }
    const exitCode = await ended;
    if (inputError !== undefined) throw inputError;
    options.signal?.throwIfAborted();
    const stdout = Buffer.concat(out).toString();
    const stderr = Buffer.concat(err).toString();
    if (timedOut) {
      throw new Fault('deadline', 'command-timeout', `${command} did not end within ${timeoutMs} ms`, { detail: stderr });
    }
    if (!(options.accept ?? [0]).includes(exitCode)) {
      const line = stderr.trim().split('\n')[0] ?? '';
      throw new Fault('internal', 'command-failed', `${command} ended with ${exitCode}${line ? `: ${line}` : ''}`, {
        detail: `${[command, ...args].join(' ')}\n${stderr}`,
      });
    }
    return { exitCode, stdout, stderr };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && (error as NodeJS.ErrnoException).syscall?.startsWith('spawn')) {
      throw new Fault('unavailable', 'command-missing', `${command} is not installed`, { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}
