import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Fault } from '@berth/kit';

/**
 * Sends bytes through a tool and gives what comes out, with back pressure both ways. Stopping early (return, throw) kills
 * the tool. Faults: `command-failed` when it ends with anything but 0, `command-missing`; an error of the input is passed on.
 */
export async function* filter(command: string, args: readonly string[], input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < 4096) stderr += chunk.toString();
  });
  // A tool that stops reading speaks by its exit code.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  ended.catch(() => undefined);

  let inputError: unknown;
  const feeding = (async () => {
    for await (const chunk of input) {
      if (child.stdin.destroyed) return;
      if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, 'drain'), once(child.stdin, 'close')]);
    }
    child.stdin.end();
  })().catch((error: unknown) => {
    inputError ??= error;
    child.kill('SIGKILL');
  });

  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const code = await ended;
    await feeding;
    if (inputError !== undefined) throw inputError;
    if (code !== 0) {
      const line = stderr.trim().split('\n')[0] ?? '';
      throw new Fault('internal', 'command-failed', `${command} ended with ${code}${line ? `: ${line}` : ''}`, { detail: stderr });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Fault('unavailable', 'command-missing', `${command} is not installed`, { cause: error });
    }
    throw error;
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended.catch(() => undefined);
  }
}
