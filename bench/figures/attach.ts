import { run } from '@berth/sys';
import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import { median, summarize } from '../statistics.ts';

const BYTES = 100 * 1024 * 1024;
const limitMs = 240_000;

/** What a client that is attached gets to see: 100 MB in lines of a thousand bytes. Without a log, which is another figure's. */
export const attach: Figure = {
  name: 'attach',
  title: '100 MB through an attached client',
  async run({ quick, runs: wanted, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    const count = wanted ?? (quick ? 3 : 8);
    say(`${count} alternating runs of each`);
    const script = `yes $(printf %0999d 0) | head -c ${BYTES}`;
    const taken = await alternate([berth, dockerd], { runs: count, warmUp: 1, restMs: 200 }, async (side) => {
      // Counted beside the client, which writes to a pipe as it would to a terminal or a program.
      const command = `docker -H unix://${side.docker.socketPath} run --rm --log-driver none busybox sh -c '${script}' | wc -c`;
      const begin = performance.now();
      const { stdout, stderr } = await run('sh', ['-c', command], { timeoutMs: limitMs, env: { DOCKER_CLI_HINTS: 'false' } });
      if (Number(stdout) !== BYTES) throw new Error(`docker run on ${side.name} gave ${stdout.trim()} bytes: ${stderr}`);
      return performance.now() - begin;
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
