import { randomFillSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import { median, summarize } from '../statistics.ts';

const BYTES = 100_000_000;

/** A file that nothing can make smaller, into a running container and out of it again. */
export const dockerCp: Figure = {
  name: 'docker-cp',
  title: '`docker cp` of 100 MB',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    const sides = [berth, dockerd];
    const directory = await mkdtemp(join(tmpdir(), 'berth-bench-cp-'));
    try {
      const file = join(directory, 'file');
      await writeFile(file, randomFillSync(Buffer.allocUnsafe(BYTES)));
      for (const side of sides) await side.docker.ok(['run', '-d', '--name', 'bench-cp', 'busybox', 'sleep', '100000']);
      const count = runs ?? (quick ? 3 : 9);
      say(`${count} alternating runs of each`);
      const ways = [
        ['into a container', (_name: string) => ['cp', file, 'bench-cp:/copied']],
        ['out of one', (name: string) => ['cp', 'bench-cp:/copied', join(directory, name)]],
      ] as const;
      const results = [];
      for (const [way, words] of ways) {
        const taken = await alternate(sides, { runs: count, warmUp: 1, restMs: 500 }, async (side) => {
          const result = await side.docker.run(words(side.name), { timeoutMs: 120_000 });
          if (result.exitCode !== 0) throw new Error(`docker cp on ${side.name} ended with ${result.exitCode}: ${result.stderr}`);
          return result.wallMs;
        });
        results.push({
          figure: `\`docker cp\` of 100 MB ${way}, Berth / dockerd`,
          unit: 'ratio of medians',
          value: median(taken['berth'] ?? []) / median(taken['dockerd'] ?? []),
          must: atMost(1),
          aim: atMost(0.7),
          samples: Object.fromEntries(Object.entries(taken).map(([name, list]) => [`${name} ms`, summarize(list)])),
        });
      }
      return results;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};
