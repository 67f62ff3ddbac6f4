import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import type { Side } from '../side.ts';
import { median, summarize } from '../statistics.ts';

const LINES = 1_000_000;
const limitMs = 240_000;

async function write(side: Side): Promise<void> {
  await side.docker.ok(['run', '--name', 'bench-logs', '-d', 'busybox', 'seq', '1', String(LINES)]);
  await side.docker.ok(['wait', 'bench-logs'], { timeoutMs: limitMs });
}

/** `docker logs` of a container that has written a million lines and ended. */
export const logs: Figure = {
  name: 'logs',
  title: '`docker logs` of a million lines',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    const sides = [berth, dockerd];
    for (const side of sides) await write(side);
    const count = runs ?? (quick ? 4 : 12);
    say(`${count} alternating runs of each`);
    const taken = await alternate(sides, { runs: count, warmUp: 1, restMs: 100 }, async (side) => {
      const result = await side.docker.run(['logs', 'bench-logs'], { timeoutMs: limitMs });
      if (!result.stdout.endsWith(`\n${LINES}\n`)) throw new Error(`docker logs on ${side.name} gave ${result.stdout.length} bytes: ${result.stderr}`);
      return result.wallMs;
    });
    const tails = await alternate(sides, { runs: count, warmUp: 1, restMs: 50 }, async (side) => {
      const result = await side.docker.run(['logs', '--tail', '10', 'bench-logs']);
      if (result.stdout.split('\n').length !== 11) throw new Error(`docker logs --tail on ${side.name}: ${result.stdout}${result.stderr}`);
      return result.wallMs;
    });
    const ratio = (measured: Readonly<Record<string, number[]>>) => median(measured['berth'] ?? []) / median(measured['dockerd'] ?? []);
    const samples = (measured: Readonly<Record<string, number[]>>) =>
      Object.fromEntries(Object.entries(measured).map(([name, list]) => [`${name} ms`, summarize(list)]));
    return [
      {
        figure: '`docker logs` of a million lines, Berth / dockerd',
        unit: 'ratio of medians',
        value: ratio(taken),
        must: atMost(1),
        aim: atMost(0.6),
        samples: samples(taken),
      },
      {
        figure: '`docker logs --tail 10` of them, Berth / dockerd',
        unit: 'ratio of medians',
        value: ratio(tails),
        must: atMost(1.2),
        aim: atMost(1),
        samples: samples(tails),
      },
    ];
  },
};
