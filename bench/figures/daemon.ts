import { setTimeout as delay } from 'node:timers/promises';
import { atMost, type Figure } from '../figure.ts';
import { pssBytes, sum } from '../processes.ts';
import { median, quantile, summarize } from '../statistics.ts';

const MB = 1024 * 1024;

export const daemon: Figure = {
  name: 'daemon',
  title: 'the daemon by itself',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await berth.docker.ok(['run', '--rm', 'busybox', 'true']);
    await delay(quick ? 5_000 : 15_000);
    const mine = sum(berth.daemonPids(), pssBytes) / MB;
    await using dockerd = await openDockerd();
    const theirs = sum(dockerd.daemonPids(), pssBytes) / MB;
    say('warm starts');
    const starts: number[] = [];
    for (let index = 0; index < (runs ?? (quick ? 2 : 5)); index++) starts.push((await berth.warmStart()) / 1000);
    return [
      {
        figure: 'daemon idle memory',
        unit: 'MB of PSS',
        value: mine,
        must: atMost(150),
        aim: atMost(90),
        samples: { 'berth MB': summarize([mine]), 'dockerd and containerd MB': summarize([theirs]) },
      },
      {
        figure: 'warm `npm start` to ready',
        unit: 's, median',
        value: median(starts),
        must: atMost(5),
        aim: atMost(2),
        samples: { 'berth s': summarize(starts) },
        note: `p95 ${quantile(starts, 0.95).toFixed(2)} s`,
      },
    ];
  },
};
