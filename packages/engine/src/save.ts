import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import type { ContainerDefinition } from './port.ts';
import type { Intent, Stored } from './rows.ts';

/** Commits what may change of a container, as it is in memory now. */
export async function save(deps: Deps, container: Container, intent: Intent): Promise<void> {
  await deps.rows.update(container.id, stored(container, intent));
}

/** The same, with another definition. */
export async function saveDefinition(deps: Deps, container: Container, definition: ContainerDefinition, intent: Intent): Promise<void> {
  await deps.rows.redefine(definition, stored(container, intent));
}

function stored(container: Container, intent: Intent): Stored {
  const { state, run, restartCount, health, endpoints, publications } = container;
  const supervision = health === undefined ? container.supervision : { ...container.supervision, health };
  return { state, intent, run, restartCount, supervision, endpoints, publications };
}
