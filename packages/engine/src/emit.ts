import type { Container } from './container.ts';
import type { Deps } from './deps.ts';

/** A container's event, with the attributes all of them have: its labels, image and name. */
export function emitContainer(deps: Deps, container: Container, action: string, attributes: Readonly<Record<string, string>> = {}): void {
  const { labels, imageReference, name } = container.definition;
  deps.events.emit({ type: 'container', action, actorId: container.id, attributes: { ...labels, image: imageReference, name, ...attributes } });
}

/** One event for each volume, as it comes and goes with a run. */
export function emitMounts(deps: Deps, container: Container, action: 'mount' | 'unmount'): void {
  for (const mount of container.definition.mounts) {
    if (mount.type !== 'volume') continue;
    const how = action === 'mount' ? { destination: mount.target, propagation: '', 'read/write': String(!mount.readonly) } : {};
    deps.events.emit({ type: 'volume', action, actorId: mount.name, attributes: { container: container.id, driver: 'local', ...how } });
  }
}

export function emitNetwork(
  deps: Deps,
  network: { readonly id: string; readonly name: string; readonly driver: string },
  action: string,
  containerId?: string,
): void {
  const attributes = { name: network.name, type: network.driver === 'none' ? 'null' : network.driver };
  deps.events.emit({
    type: 'network',
    action,
    actorId: network.id,
    attributes: containerId === undefined ? attributes : { container: containerId, ...attributes },
  });
}
