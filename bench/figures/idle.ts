import { setTimeout as delay } from 'node:timers/promises';
import { startCrowd } from '../crowd.ts';
import { atMost, type Figure } from '../figure.ts';
import { cpuSeconds, pssBytes, sum } from '../processes.ts';
import type { Side } from '../side.ts';
import { summarize } from '../statistics.ts';

const MB = 1024 * 1024;

interface IdleMeasure {
  readonly cpuPercent: number;
  readonly bytesPerContainer: number;
  readonly daemonBytesBefore: number;
}

/** CPU is the share of one core, over 20 s, of the daemon, the pool and all that belongs to containers. */
async function measure(side: Side, count: number, settleMs: number, windowMs: number): Promise<IdleMeasure> {
  await side.docker.ok(['run', '--rm', 'busybox', 'true']);
  await delay(settleMs);
  const daemonBytesBefore = sum(side.daemonPids(), pssBytes);
  const bytesBefore = daemonBytesBefore + sum(side.containerPids(), pssBytes);
  const { failures } = await startCrowd(side, count, 4);
  if (failures.length > 0) throw new Error(`${failures.length} of ${count} did not start on ${side.name}: ${failures[0]}`);
  await delay(settleMs);
  const all = new Set([...side.daemonPids(), ...side.containerPids()]);
  const bytesAfter = sum(all, pssBytes);
  const cpuBefore = sum(all, cpuSeconds);
  const begin = performance.now();
  await delay(windowMs);
  const cpuPercent = ((sum(all, cpuSeconds) - cpuBefore) / ((performance.now() - begin) / 1000)) * 100;
  return { cpuPercent, bytesPerContainer: (bytesAfter - bytesBefore) / count, daemonBytesBefore };
}

export const idle: Figure = {
  name: 'idle',
  title: 'what 50 idle containers cost',
  async run({ quick, openBerth, openDockerd, say }) {
    const count = 50;
    const taken: Record<string, IdleMeasure> = {};
    for (const open of [openBerth, openDockerd]) {
      await using side = await open();
      say(`${side.name}: ${count} idle containers`);
      taken[side.name] = await measure(side, count, quick ? 5_000 : 15_000, quick ? 10_000 : 20_000);
    }
    const berth = taken['berth'] as IdleMeasure;
    const dockerd = taken['dockerd'] as IdleMeasure;
    return [
      {
        figure: 'CPU that 50 idle containers use together',
        unit: '% of one core',
        value: berth.cpuPercent,
        must: atMost(15),
        aim: atMost(3),
        samples: { 'berth %': summarize([berth.cpuPercent]), 'dockerd %': summarize([dockerd.cpuPercent]) },
      },
      {
        figure: 'memory an idle container adds',
        unit: 'MB of PSS',
        value: berth.bytesPerContainer / MB,
        must: atMost(48),
        aim: atMost(20),
        samples: { 'berth MB': summarize([berth.bytesPerContainer / MB]), 'dockerd MB': summarize([dockerd.bytesPerContainer / MB]) },
        note: 'growth of everything: QEMU, helpers and daemon',
      },
    ];
  },
};
