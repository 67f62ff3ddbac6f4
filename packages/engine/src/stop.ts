import { bounded, endsWithin } from './bounded.ts';
import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { alreadyPaused, alreadyStopped, isRestarting, notPaused, notRunning } from './faults.ts';
import { killRun, signalRun } from './kill.ts';
import { endHealth, resumeHealth } from './health.ts';
import { next } from './lifecycle.ts';
import { save } from './save.ts';
import { startContainer } from './start.ts';
import { thaw } from './thaw.ts';
import { wantStopped } from './want-stopped.ts';

export interface StopOptions {
  /** Absent: the container's own. */
  readonly signal?: number;
  /** Until SIGKILL; negative: never; absent: the container's own. */
  readonly timeoutSeconds?: number;
}

/** The stop signal, the grace period, SIGKILL. Fault `already-stopped` (kind `unchanged`). */
export async function stopContainer(deps: Deps, container: Container, options: StopOptions): Promise<void> {
  await container.serial.idle();
  const found = await wantStopped(deps, container);
  const run = container.current;
  if (found === 'nothing') throw alreadyStopped();
  if (found === 'waiting' || run === undefined) {
    emitContainer(deps, container, 'stop');
    return;
  }
  const seconds = options.timeoutSeconds ?? container.definition.stopTimeoutSeconds;
  const asked = await signalRun(deps, container, run, options.signal ?? container.definition.stopSignal).then(
    () => true,
    () => false,
  );
  if (!asked || !(await endsWithin(run.ended, seconds < 0 ? -1 : seconds * 1000))) await killRun(deps, container, run);
  emitContainer(deps, container, 'stop');
}

/** Stop, if it runs, and start. A container that is removed at its end stays for its next run. */
export async function restartContainer(deps: Deps, container: Container, options: StopOptions): Promise<void> {
  container.keep += 1;
  try {
    await container.serial.idle();
    if (container.current !== undefined || container.state.phase === 'restarting') await stopContainer(deps, container, options);
    await startContainer(deps, container);
  } finally {
    container.keep -= 1;
  }
  emitContainer(deps, container, 'restart');
}

/** Freezes every process. Faults: `not-running`, `already-paused`. */
export function pauseContainer(deps: Deps, container: Container): Promise<void> {
  return container.serial.run(async () => {
    const { state, current } = container;
    if (state.phase === 'restarting') throw isRestarting(container.id);
    if (current === undefined) throw notRunning(container.id);
    const phase = next(state.phase, 'paused');
    if (phase === undefined) throw alreadyPaused(container.id);
    container.state = { ...state, phase };
    endHealth(container);
    try {
      await save(deps, container, '');
      await bounded(current.running.pause(), deps.limits.callMs, 'freezing');
    } catch (error) {
      container.state = state;
      resumeHealth(deps, container, current);
      await save(deps, container, '').catch(() => undefined);
      throw error;
    }
    emitContainer(deps, container, 'pause');
  });
}

/** Fault `not-paused`. */
export function unpauseContainer(deps: Deps, container: Container): Promise<void> {
  return container.serial.run(async () => {
    const { state, current } = container;
    if (next(state.phase, 'unpaused') === undefined || current === undefined) throw notPaused(container.id);
    await thaw(deps, container, current);
  });
}
