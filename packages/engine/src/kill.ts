import { bounded, endsWithin } from './bounded.ts';
import type { Container, Run } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { killNotRunning, wouldNotDie } from './faults.ts';
import { thaw } from './thaw.ts';
import { wantStopped } from './want-stopped.ts';

const SIGKILL = 9;

/**
 * Sends a signal to process 1. SIGKILL waits for the exit; it and the stop signal also mean that no policy restarts the
 * container. One that waits to be restarted has no process: any signal gives that up. Fault `not-running`.
 */
export async function killContainer(deps: Deps, container: Container, options: { readonly reference: string; readonly signal: number }): Promise<void> {
  await container.serial.idle();
  const ends = options.signal === SIGKILL || options.signal === container.definition.stopSignal;
  if ((ends || container.state.phase === 'restarting') && (await wantStopped(deps, container)) === 'waiting') return;
  const run = container.current;
  if (run === undefined) throw killNotRunning(options.reference, container.id);
  if (options.signal === SIGKILL) await killRun(deps, container, run);
  else {
    await signalRun(deps, container, run, options.signal).catch((error: unknown) => {
      throw container.current === run ? error : killNotRunning(options.reference, container.id);
    });
  }
}

/** Sends a signal and says so. A paused process gets it when it is thawed, so the signals that end it thaw it. */
export async function signalRun(deps: Deps, container: Container, run: Run, signal: number): Promise<void> {
  await bounded(run.running.signal(signal), deps.limits.callMs, 'sending the signal');
  emitContainer(deps, container, 'kill', { signal: String(signal) });
  if (container.state.phase !== 'paused') return;
  if (signal !== SIGKILL && signal !== container.definition.stopSignal) return;
  await container.serial.run(async () => {
    if (container.current === run && container.state.phase === 'paused') await thaw(deps, container, run);
  });
}

/** Ends a run by SIGKILL or, when that doesn't help in time, by ending its machine. Fault `would-not-die`. */
export async function killRun(deps: Deps, container: Container, run: Run): Promise<void> {
  const sent = await signalRun(deps, container, run, SIGKILL).then(
    () => true,
    (error: unknown) => {
      deps.log.warn({ err: error, container: container.id }, 'SIGKILL could not be sent');
      return false;
    },
  );
  if (sent && (await endsWithin(run.ended, deps.limits.killMs))) return;
  await bounded(run.running.destroy(), deps.limits.callMs, 'ending the virtual machine');
  if (!(await endsWithin(run.ended, deps.limits.killMs))) throw wouldNotDie(container.id);
}
