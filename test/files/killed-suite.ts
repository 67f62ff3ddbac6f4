import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import tar from 'tar-stream';
import { buffer } from 'node:stream/consumers';
import { until } from '../oracle/index.ts';
import type { Sides } from './sides.ts';

async function archive(name: string, bytes: number): Promise<Buffer> {
  const pack = tar.pack();
  const whole = buffer(pack);
  pack.entry({ name }, Buffer.alloc(bytes, name));
  pack.finalize();
  return await whole;
}

/** The daemon is killed while it copies and commits. dockerd is not asked: what it would do is no measure here. */
export function killedSuite(sides: () => Sides): void {
  describe('kill -9 of the daemon', { timeout: 360_000 }, () => {
    test('copies into what runs and what was never started, and a commit: kept or not there, and can be done again', { timeout: 300_000 }, async () => {
      const { berth } = sides();
      const { docker } = berth;
      await docker.ok(['create', '--name', 'sleeping', 'busybox', 'cat', '/whole']);
      await docker.ok([
        'run',
        '-d',
        '--name',
        'awake',
        'busybox',
        'sh',
        '-c',
        'head -c 20000000 /dev/urandom > /large; echo ready; while :; do date; sleep 0.1; done',
      ]);
      await until('it has something to commit', 60_000, async () => (await docker.ok(['logs', 'awake'])).includes('ready'));
      await docker.ok(['cp', '-', 'sleeping:/'], { input: await archive('whole', 5) });

      // Both copies get half of what they wait for.
      const half = (await archive('half', 1_000_000)).subarray(0, 500_000);
      const clients = ['sleeping', 'awake'].map((name) => {
        const child = spawn(docker.command, docker.arguments(['cp', '-', `${name}:/`]), {
          env: { ...process.env, ...docker.environment },
          stdio: ['pipe', 'ignore', 'ignore'],
        });
        child.stdin.on('error', () => undefined);
        child.stdin.write(half);
        return child;
      });
      const committing = spawn(docker.command, docker.arguments(['commit', 'awake', 'half:made']), {
        env: { ...process.env, ...docker.environment },
        stdio: 'ignore',
      });
      await until('the copies have begun', 30_000, async () => (await docker.run(['cp', 'awake:/half', '-'])).exitCode === 0);
      await berth.kill();
      for (const child of clients) child.stdin.end();
      await Promise.all([...clients, committing].map((child) => (child.exitCode === null ? once(child, 'exit') : undefined)));
      await berth.start();

      assert.equal((await docker.run(['image', 'inspect', 'half:made'])).exitCode, 1);
      const lines = async () => (await docker.ok(['logs', 'awake'])).split('\n').length;
      const before = await lines();
      await until('the frozen container goes on', 20_000, async () => (await lines()) > before);
      for (const name of ['sleeping', 'awake']) await docker.ok(['cp', '-', `${name}:/`], { input: await archive('half', 1_000_000) });
      assert.equal(await docker.ok(['exec', 'awake', 'sh', '-c', 'wc -c < /half']), '1000000');
      await docker.ok(['commit', 'awake', 'half:made']);
      assert.equal(await docker.ok(['start', '-a', 'sleeping']), 'whole');
      await docker.ok(['rm', '-f', 'sleeping', 'awake']);
    });
  });
}
