import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import { next } from './lifecycle.ts';
import { neverRestart } from './restart-policy.ts';
import { save } from './save.ts';

/**
 * From now on its end is wanted: commits that, before any signal is sent, so that no daemon restarts what was stopped; and
 * gives up a restart that is waited for. Tells what there was to stop.
 */
export function wantStopped(deps: Deps, container: Container): Promise<'running' | 'waiting' | 'nothing'> {
  return container.serial.run(async () => {
    const waits = container.state.phase === 'restarting';
    if (!waits && container.current === undefined) return 'nothing';
    const { supervision, definition } = container;
    const { restart = neverRestart } = definition;
    if (waits || (restart.name !== 'no' && !supervision.stopRequested)) {
      container.restarting?.abort();
      container.restarting = undefined;
      container.supervision = { ...supervision, stopRequested: true };
      container.state = { ...container.state, phase: waits ? (next('restarting', 'given-up') ?? 'exited') : container.state.phase };
      await save(deps, container, '');
    }
    if (!waits) return 'running';
    container.log.endRun(container.run);
    container.waits.exited({ exitCode: container.state.exitCode });
    return 'waiting';
  });
}
