import { alternate } from '../alternate.ts';
import { atLeast, type Figure } from '../figure.ts';
import type { Side } from '../side.ts';
import { median, summarize } from '../statistics.ts';

const MEGABYTES = 100;
const limitMs = 240_000;

/** One listens as often as it is asked; the other has the clock: it is inside, so that the docker command is not measured. */
async function prepare(side: Side): Promise<void> {
  await side.docker.ok(['network', 'create', 'bench-tcp']);
  const listen = 'while :; do nc -l -p 5000 > /dev/null; done';
  await side.docker.ok(['run', '-d', '--name', 'bench-tcp-to', '--network', 'bench-tcp', 'busybox', 'sh', '-c', listen]);
  await side.docker.ok(['run', '-d', '--name', 'bench-tcp-from', '--network', 'bench-tcp', 'busybox', 'sleep', '100000']);
}

/** MB per second of one connection. */
async function send(side: Side): Promise<number> {
  const now = 'cut -d" " -f1 /proc/uptime';
  const bytes = `dd if=/dev/zero bs=64k count=${MEGABYTES * 16} 2> /dev/null`;
  // The listener may be between two connections: one that is refused has cost nothing.
  const script = `for i in 1 2 3 4 5; do a=$(${now}); ${bytes} | nc bench-tcp-to 5000 && break; sleep 1; done; b=$(${now}); echo $a $b`;
  const [begin = 0, end = 0] = (await side.docker.ok(['exec', 'bench-tcp-from', 'sh', '-c', script], { timeoutMs: limitMs })).split(' ').map(Number);
  if (!(end > begin)) throw new Error(`nothing was sent on ${side.name}`);
  return MEGABYTES / (end - begin);
}

/** One TCP connection from container to container over a bridge. */
export const tcp: Figure = {
  name: 'tcp',
  title: 'TCP from container to container over a bridge',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    const sides = [berth, dockerd];
    for (const side of sides) await prepare(side);
    const count = runs ?? (quick ? 3 : 8);
    say(`${count} alternating runs of each, ${MEGABYTES} MB each`);
    const rates = await alternate(sides, { runs: count, warmUp: 1, restMs: 200 }, send);
    const [mine, theirs] = [rates['berth'] ?? [], rates['dockerd'] ?? []];
    return [
      {
        figure: 'MB per second of one TCP connection between two containers, Berth / dockerd',
        unit: 'ratio of medians',
        value: median(mine) / median(theirs),
        must: atLeast(0.02),
        aim: atLeast(0.2),
        samples: { 'berth MB/s': summarize(mine), 'dockerd MB/s': summarize(theirs) },
        note: 'not the same work: two kernels under software emulation, each with its own network card, against two name spaces of one kernel that hands over memory',
      },
    ];
  },
};
