import { Berth } from '../test/berth/index.ts';
import type { BerthSide } from './figure.ts';
import { readTraces } from './trace.ts';

/** A fresh Berth whose pool for busybox is warm. */
export async function openBerth(onAcceleration: (sentence: string) => void, extraArgs: readonly string[] = []): Promise<BerthSide> {
  const berth = await Berth.open({ extraArgs });
  onAcceleration(`${berth.facts.acceleration} (${berth.facts.verdict})`);
  const daemon = () => (berth.daemonEnded ? [] : [berth.daemonPid]);
  return {
    name: 'berth',
    docker: berth.docker,
    readyMs: berth.readyMs,
    daemonPids: daemon,
    containerPids: () =>
      berth
        .processes()
        .map((found) => found.pid)
        .filter((pid) => pid !== berth.daemonPid),
    async restart() {
      await berth.terminate();
      return berth.start();
    },
    traces: () => readTraces(berth),
    [Symbol.asyncDispose]: () => berth[Symbol.asyncDispose](),
  };
}
