import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import { startNow } from './start.ts';

/**
 * Starts a container that waits for it (its row says `restarting`, committed before) when its time has come. A start that
 * fails is the end of it, as with Docker. Nothing here needs to survive the daemon: the next one finds the row.
 */
export function scheduleRestart(deps: Deps, container: Container, delayMs: number): void {
  const waiting = new AbortController();
  container.restarting = waiting;
  const stillWaits = () => container.restarting === waiting && !deps.closing.aborted;
  void deps.clock
    .sleep(delayMs, AbortSignal.any([waiting.signal, deps.closing]))
    .then(() =>
      deps.restarts.run(async () => {
        if (!stillWaits()) return;
        await container.serial.run(async () => {
          if (!stillWaits() || container.removing) return;
          container.restarting = undefined;
          await startNow(deps, container, { isRestart: true });
        });
      }),
    )
    .catch((error: unknown) => {
      if (!waiting.signal.aborted && !deps.closing.aborted) deps.log.warn({ err: error, container: container.id }, 'a container could not be restarted');
    });
}
