import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import { median, summarize } from '../statistics.ts';

const MEGABYTES = 64;
const limitMs = 240_000;

/** From one container to another on a network of their own, by name. Two machines, where dockerd has two namespaces of one kernel. */
export const tcp: Figure = {
  name: 'tcp',
  title: 'TCP from container to container',
  async run({ quick, runs: wanted, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    const count = wanted ?? (quick ? 3 : 8);
    // With an input that never ends: at its end nc would hang up.
    const listen = 'mkfifo /open; exec 3<>/open; while :; do nc -l -p 5000 <&3 | wc -c; done';
    for (const { docker } of [berth, dockerd]) {
      await docker.ok(['network', 'create', 'bench-tcp']);
      await docker.ok(['run', '-d', '--name', 'sink', '--network', 'bench-tcp', 'busybox', 'sh', '-c', listen]);
      await docker.ok(['run', '-d', '--name', 'source', '--network', 'bench-tcp', 'busybox', 'sleep', '100000']);
    }
    say(`${count} alternating runs of each`);
    // The sink listens anew after each run, a moment later.
    const script = `for try in 1 2 3 4 5; do dd if=/dev/zero bs=64k count=${MEGABYTES * 16} 2>/dev/null | nc sink 5000 && exit; sleep 0.1; done; exit 1`;
    const taken = await alternate([berth, dockerd], { runs: count, warmUp: 1, restMs: 500 }, async (side) => {
      const begin = performance.now();
      await side.docker.ok(['exec', 'source', 'sh', '-c', script], { timeoutMs: limitMs });
      const ms = performance.now() - begin;
      const came = await side.docker.ok(['logs', '--tail', '1', 'sink']);
      if (Number(came) !== MEGABYTES * 1024 * 1024) throw new Error(`on ${side.name} ${came} bytes came`);
      return ms;
    });
    const [mine, theirs] = [taken['berth'] ?? [], taken['dockerd'] ?? []];
    return [
      {
        figure: `${MEGABYTES} MB over TCP between two containers of one network, wall, Berth / dockerd`,
        unit: 'ratio of medians',
        value: median(mine) / median(theirs),
        must: atMost(20),
        aim: atMost(5),
        samples: { 'berth ms': summarize(mine), 'dockerd ms': summarize(theirs) },
        note: 'not the same work: two machines, each with a network card, against two namespaces of one kernel; under emulation the guests’ network stacks are emulated, too',
      },
    ];
  },
};
