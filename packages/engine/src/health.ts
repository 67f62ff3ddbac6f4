import type { Container, Run } from './container.ts';
import type { Deps } from './deps.ts';
import { watchHealth } from './health-monitor.ts';
import { startingHealth, unwatchedHealth } from './health-state.ts';

/** Has the run probed from now on. One that was adopted goes on where the last daemon left it. */
export function beginHealth(deps: Deps, container: Container, run: Run, { isAdopted }: { readonly isAdopted: boolean }): void {
  if (container.definition.health === undefined) return;
  if (!isAdopted || container.health === undefined) container.health = startingHealth(container.health);
  resumeHealth(deps, container, run);
}

/** Also after a pause, which keeps the state it found. */
export function resumeHealth(deps: Deps, container: Container, run: Run): void {
  if (container.definition.health === undefined || container.state.phase !== 'running') return;
  container.watching?.abort();
  const watching = new AbortController();
  container.watching = watching;
  const signal = AbortSignal.any([watching.signal, deps.closing]);
  void watchHealth(deps, container, run, signal).catch((error: unknown) => {
    if (!signal.aborted) deps.log.error({ err: error, container: container.id }, 'a container is no longer probed');
  });
}

/** No more probes; one that is under way is ended. */
export function endHealth(container: Container): void {
  container.watching?.abort();
  container.watching = undefined;
  if (container.health !== undefined) container.health = unwatchedHealth(container.health);
}
