import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import { median, summarize } from '../statistics.ts';

const BYTES = 100 * 1024 * 1024;
const limitMs = 240_000;

/** What a client that is attached gets to see: 100 MB in lines of a thousand bytes. Without a log, which is another figure's. */
export const attach: Figure = {
  name: 'attach',
  title: '100 MB through an attached client',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    const count = runs ?? (quick ? 3 : 8);
    say(`${count} alternating runs of each`);
    const script = `yes $(printf %0999d 0) | head -c ${BYTES}`;
    const taken = await alternate([berth, dockerd], { runs: count, warmUp: 1, restMs: 200 }, async (side) => {
      const result = await side.docker.run(['run', '--rm', '--log-driver', 'none', 'busybox', 'sh', '-c', script], { timeoutMs: limitMs });
      if (result.stdout.length !== BYTES) throw new Error(`docker run on ${side.name} gave ${result.stdout.length} bytes: ${result.stderr}`);
      return result.wallMs;
    });
    const [mine, theirs] = [taken['berth'] ?? [], taken['dockerd'] ?? []];
    return [
      {
        figure: '`docker run` that writes 100 MB to an attached client, wall, Berth / dockerd',
        unit: 'ratio of medians',
        value: median(mine) / median(theirs),
        must: atMost(4),
        aim: atMost(1),
        samples: { 'berth ms': summarize(mine), 'dockerd ms': summarize(theirs) },
        note: 'the container writes them, too: under emulation that is a part of the time',
      },
    ];
  },
};
