import type { Container } from './container.ts';
import { runtimeOf, type Deps } from './deps.ts';
import { removeContainer } from './remove.ts';

/** Removes what doesn't run and matches. Others' removals in between are no failure. */
export async function pruneContainers(deps: Deps, matches: (container: Container) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }> {
  const deleted: string[] = [];
  let reclaimedBytes = 0;
  for (const container of deps.registry.all()) {
    const idle = container.state.phase === 'created' || container.state.phase === 'exited' || container.state.phase === 'dead';
    if (!idle || container.starting !== undefined || container.removing || !matches(container)) continue;
    const bytes = await runtimeOf(deps, container)
      .writableSize(container.id)
      .catch(() => 0);
    const removed = await removeContainer(deps, container, { reference: container.name, force: false, volumes: false }).then(
      () => true,
      () => false,
    );
    if (!removed) continue;
    deleted.push(container.id);
    reclaimedBytes += bytes;
  }
  deps.events.emit({ type: 'container', action: 'prune', actorId: '', attributes: { reclaimed: String(reclaimedBytes) } });
  return { deleted, reclaimedBytes };
}
