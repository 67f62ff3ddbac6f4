import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import { median, summarize } from '../statistics.ts';

export const dockerExec: Figure = {
  name: 'docker-exec',
  title: '`docker exec c true`',
  async run({ quick, runs, openBerth, openDockerd, openPodman, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    await using podman = await openPodman();
    const sides = [berth, dockerd, ...(podman ? [podman] : [])];
    for (const side of sides) await side.docker.ok(['run', '-d', '--name', 'bench-exec', 'busybox', 'sleep', '100000']);
    const count = runs ?? (quick ? 10 : 40);
    say(`${count} alternating runs of each`);
    const taken = await alternate(sides, { runs: count, warmUp: 3, restMs: 50 }, async (side) => {
      const result = await side.docker.run(['exec', 'bench-exec', 'true']);
      if (result.exitCode !== 0) throw new Error(`docker exec on ${side.name} ended with ${result.exitCode}: ${result.stderr}`);
      return result.wallMs;
    });
    const mine = taken['berth'] ?? [];
    const theirs = taken['dockerd'] ?? [];
    return [
      {
        figure: '`docker exec c true`, Berth / dockerd',
        unit: 'ratio of medians',
        value: median(mine) / median(theirs),
        must: atMost(1),
        aim: atMost(0.4),
        samples: Object.fromEntries(Object.entries(taken).map(([name, list]) => [`${name} ms`, summarize(list)])),
      },
    ];
  },
};
