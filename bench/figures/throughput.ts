import { startCrowd } from '../crowd.ts';
import { atLeast, type Figure } from '../figure.ts';
import { median, summarize } from '../statistics.ts';

export const throughput: Figure = {
  name: 'throughput',
  title: 'containers started per second',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    const count = 50;
    const rates: Record<string, number[]> = { berth: [], dockerd: [] };
    for (let round = 0; round < (runs ?? (quick ? 1 : 3)); round++) {
      for (const open of round % 2 === 0 ? [openBerth, openDockerd] : [openDockerd, openBerth]) {
        // A fresh daemon each time: dockerd 20.10 can deadlock when many containers are removed at once, so none are.
        await using side = await open();
        await side.docker.ok(['run', '--rm', 'busybox', 'true']);
        const { seconds, failures } = await startCrowd(side, count, 4);
        if (failures.length > 0) throw new Error(`${failures.length} of ${count} did not start on ${side.name}: ${failures[0]}`);
        rates[side.name]?.push(count / seconds);
        say(`${side.name}: ${count} in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(2)} per second`);
      }
    }
    const mine = rates['berth'] ?? [];
    const theirs = rates['dockerd'] ?? [];
    return [
      {
        figure: '50 containers started by 4 clients, per second, Berth / dockerd',
        unit: 'ratio of medians',
        value: median(mine) / median(theirs),
        must: atLeast(0.6),
        aim: atLeast(1.5),
        samples: { 'berth per s': summarize(mine), 'dockerd per s': summarize(theirs) },
      },
    ];
  },
};
