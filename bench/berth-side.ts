import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';
import { Berth } from '../test/berth/index.ts';
import type { BerthSide } from './figure.ts';
import { readTraces } from './trace.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A fresh Berth whose pool for busybox is warm. */
export async function openBerth(onAcceleration: (sentence: string) => void, extraArgs: readonly string[] = []): Promise<BerthSide> {
  const berth = await Berth.open({ extraArgs });
  onAcceleration(`${berth.facts.acceleration} (${berth.facts.verdict})`);
  const daemon = () => (berth.daemonEnded ? [] : [berth.daemonPid]);
  return {
    name: 'berth',
    docker: berth.docker,
    netns: berth.netns,
    readyMs: berth.readyMs,
    daemonPids: daemon,
    containerPids: () =>
      berth
        .processes()
        .map((found) => found.pid)
        .filter((pid) => pid !== berth.daemonPid),
    async warmStart() {
      await berth.terminate();
      const npm = (words: readonly string[]) => {
        const instance = ['--state-dir', berth.stateDirectory, '--run-dir', berth.runDirectory, '--prefix', berth.prefix];
        const [command, args] = berth.netns.enter('npm', [...words, ...instance]);
        return run(command, args, { cwd: root, timeoutMs: 120_000, env: berth.environment });
      };
      const begin = performance.now();
      await npm(['start', '--', '--detach']);
      const tookMs = performance.now() - begin;
      await npm(['run', 'stop', '--']);
      await berth.start();
      return tookMs;
    },
    traces: () => readTraces(berth),
    [Symbol.asyncDispose]: () => berth[Symbol.asyncDispose](),
  };
}
