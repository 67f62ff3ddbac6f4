import { setTimeout as delay } from 'node:timers/promises';
import type { StartTrace } from '@berth/runtime-microvm';
import { atMost, type Figure } from '../figure.ts';
import { quantile, summarize } from '../statistics.ts';

/** From just before QEMU is spawned to the agent's first answer; `undefined` for a start that took a waiting child. */
function readyMs({ source, phases }: StartTrace): number | undefined {
  const spawned = phases.findIndex(({ phase }) => phase === 'spawned');
  const hello = phases.find(({ phase }) => phase === 'hello');
  if (source !== 'clone' || spawned < 1 || hello === undefined) return undefined;
  return hello.atMs - (phases[spawned - 1]?.atMs ?? 0);
}

export const clone: Figure = {
  name: 'clone',
  title: 'a clone, from spawning QEMU to the agent’s first answer',
  async run({ quick, runs, openBerth, say }) {
    // Without a pool every start makes a clone of its own, one at a time.
    await using berth = await openBerth(['--pool-size', '0']);
    const warmUps = 3;
    for (let index = 0; index < warmUps; index++) {
      await berth.docker.ok(['run', '--rm', 'busybox', 'true']);
      await delay(2_000);
    }
    const count = runs ?? (quick ? 10 : 40);
    say(`${count} starts without a pool`);
    for (let index = 0; index < count; index++) {
      await delay(200);
      await berth.docker.ok(['run', '--rm', 'busybox', 'true']);
    }
    const taken = (await berth.traces())
      .slice(-count)
      .map(readyMs)
      .filter((value) => value !== undefined);
    if (taken.length === 0) throw new Error('no start made a clone');
    const samples = { 'berth ms': summarize(taken) };
    const title = 'spawn to agent ready (clone)';
    return [
      { figure: `${title}, p95`, unit: 'ms', value: quantile(taken, 0.95), must: atMost(200), aim: atMost(200), samples },
      { figure: `${title}, median`, unit: 'ms', value: quantile(taken, 0.5), must: atMost(200), aim: atMost(80), samples },
    ];
  },
};
