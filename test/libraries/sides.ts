import { spawn } from 'node:child_process';
import type { Berth } from '../berth/index.ts';
import type { Oracle } from '../oracle/index.ts';

/** Runs a program that is a client of the daemon's, where the daemon's published ports are; gives what it printed. */
export function client(daemon: Berth | Oracle, command: string, args: readonly string[], env: Record<string, string> = {}, limitMs = 240_000): Promise<string> {
  const [program, all] = daemon.netns.enter(command, args);
  return new Promise((resolve, reject) => {
    const child = spawn(program, all, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DOCKER_HOST: `unix://${daemon.docker.socketPath}`, ...env },
    });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (data: Buffer) => (text[name] += data.toString()));
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(text.stdout);
      else reject(new Error(`${command} ended with ${code}\n${text.stdout}\n${text.stderr}`));
    });
  });
}
