import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import type { Side } from '../side.ts';
import { median, summarize } from '../statistics.ts';

/** Wall time of the whole command, as a person at a terminal feels it. */
async function runOnce(side: Side): Promise<number> {
  const result = await side.docker.run(['run', '--rm', 'busybox', 'true']);
  if (result.exitCode !== 0) throw new Error(`docker run on ${side.name} ended with ${result.exitCode}: ${result.stderr}`);
  return result.wallMs;
}

export const dockerRun: Figure = {
  name: 'docker-run',
  title: '`docker run --rm busybox true`',
  async run({ quick, runs, openBerth, openDockerd, openPodman, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    await using podman = await openPodman();
    const count = runs ?? (quick ? 8 : 30);
    say(`${count} alternating runs of each`);
    const taken = await alternate([berth, dockerd, ...(podman ? [podman] : [])], { runs: count, warmUp: 3, restMs: 300 }, runOnce);
    const mine = taken['berth'] ?? [];
    const theirs = taken['dockerd'] ?? [];

    say('one after the other without a rest');
    const straight: Record<string, number[]> = {};
    for (const side of [berth, dockerd]) {
      const list: number[] = (straight[side.name] = []);
      for (let index = 0; index < Math.ceil(count / 2); index++) list.push(await runOnce(side));
    }
    const samples = (from: Record<string, number[]>) => Object.fromEntries(Object.entries(from).map(([name, list]) => [`${name} ms`, summarize(list)]));
    return [
      {
        figure: '`docker run --rm busybox true`, Berth / dockerd',
        unit: 'ratio of medians',
        value: median(mine) / median(theirs),
        must: atMost(1),
        aim: atMost(0.4),
        samples: samples(taken),
      },
      {
        figure: 'the same, without a rest between runs',
        unit: 'ratio of medians',
        value: median(straight['berth'] ?? []) / median(straight['dockerd'] ?? []),
        must: atMost(1),
        aim: atMost(0.4),
        samples: samples(straight),
        note: 'the pool is refilled while the next run waits',
      },
    ];
  },
};
