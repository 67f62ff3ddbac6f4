import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import type { Intent } from './rows.ts';

/** Commits what may change of a container, as it is in memory now. */
export async function save(deps: Deps, container: Container, intent: Intent): Promise<void> {
  const { id, state, run, restartCount, health, endpoints, publications } = container;
  const supervision = health === undefined ? container.supervision : { ...container.supervision, health };
  await deps.rows.update(id, { state, intent, run, restartCount, supervision, endpoints, publications });
}
