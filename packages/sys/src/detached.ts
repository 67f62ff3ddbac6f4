import { spawn } from 'node:child_process';
import { Fault } from '@berth/kit';

export interface DetachedProcess {
  readonly pid: number;
  /** Resolves when it ended, if this process is still there to see it. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/**
 * Starts a process that outlives this one: a session of its own, no pipe to here. Descriptors in `inherit` become
 * numbers 3, 4, … of the child; the caller may close its own afterwards. `log` receives stdout and stderr.
 * Fault `command-missing`.
 */
export async function spawnDetached(
  command: string,
  args: readonly string[],
  options: { inherit: readonly number[]; log: number; env: Readonly<Record<string, string>> },
): Promise<DetachedProcess> {
  const child = spawn(command, args, {
    detached: true,
    cwd: '/',
    env: options.env,
    stdio: ['ignore', options.log, options.log, ...options.inherit],
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  if (child.pid === undefined) {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve));
    throw new Fault('unavailable', 'command-missing', `${command} cannot be started: ${error.message}`, { cause: error });
  }
  child.once('error', () => undefined);
  child.unref();
  return { pid: child.pid, exited };
}
