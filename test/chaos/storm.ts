import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { CliResult, DockerCli } from '../oracle/index.ts';

export interface StormCount {
  done: number;
  /** Attempts that failed because there was no daemon, or it went away meanwhile. */
  interrupted: number;
}

/** What the docker command says when the daemon dies under it or isn't there. */
const daemonGone =
  /Cannot connect to the Docker daemon|connection refused|EOF|error during connect|connection reset|broken pipe|no such file or directory|Error waiting for container/i;

/**
 * Runs, execs and removes until told to stop, whatever happens to the daemon. What it is told must be true all the same: a
 * command that ends well has the right exit code and the right output. `kills` counts the daemon's deaths so far; `count`
 * is kept up to date.
 */
export async function storm(
  docker: DockerCli,
  count: StormCount,
  options: { workers: number; target: string; kills: () => number; signal: AbortSignal },
): Promise<void> {
  const attempt = async (args: string[], expected: { exitCode: number; stdout?: string }): Promise<CliResult | undefined> => {
    const before = options.kills();
    const result = await docker.run(args, { timeoutMs: 60_000 });
    // `docker exec` ends with -1 and without a word when the daemon died before it could ask for the exit code.
    const speechless = result.exitCode === 255 && result.stderr === '' && options.kills() !== before;
    if (daemonGone.test(result.stderr) || speechless) {
      count.interrupted++;
      await delay(100);
      return undefined;
    }
    assert.equal(result.exitCode, expected.exitCode, `docker ${args.join(' ')}: ${result.stderr}`);
    if (expected.stdout !== undefined) assert.equal(result.stdout, expected.stdout, `docker ${args.join(' ')}: ${result.stderr}`);
    count.done++;
    return result;
  };
  const worker = async (index: number) => {
    for (let round = 0; !options.signal.aborted; round++) {
      const code = (round * 7 + index) % 100;
      if (round % 3 === 0)
        await attempt(['run', '--rm', 'busybox', 'sh', '-c', `echo ${index}.${round}; exit ${code}`], { exitCode: code, stdout: `${index}.${round}\n` });
      else if (round % 3 === 1)
        await attempt(['exec', options.target, 'sh', '-c', `echo ${index}.${round}; exit ${code}`], { exitCode: code, stdout: `${index}.${round}\n` });
      else {
        // An interrupted create may have happened or not: names are never used twice, and all go at the end.
        const name = `storm-${index}-${round}`;
        if ((await attempt(['run', '-d', '--name', name, 'busybox', 'sleep', '1000'], { exitCode: 0 })) !== undefined) {
          const removed = await docker.run(['rm', '-f', name], { timeoutMs: 60_000 });
          if (removed.exitCode !== 0 && !daemonGone.test(removed.stderr)) assert.fail(`docker rm -f ${name}: ${removed.stderr}`);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: options.workers }, (_, index) => worker(index)));
}
