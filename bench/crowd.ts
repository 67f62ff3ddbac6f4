import type { Side } from './side.ts';

/** Starts `count` idle containers with `clients` docker commands at a time. Gives the seconds from the first to the last. */
export async function startCrowd(side: Side, count: number, clients: number): Promise<{ seconds: number; failures: string[] }> {
  let next = 0;
  const failures: string[] = [];
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < count) {
        const name = `crowd-${next++}`;
        const result = await side.docker.run(['run', '-d', '--name', name, 'busybox', 'sleep', '100000'], { timeoutMs: 120_000 });
        if (result.exitCode !== 0) failures.push(`${name}: ${result.stderr.trim()}`);
      }
    }),
  );
  return { seconds: (performance.now() - begin) / 1000, failures };
}
