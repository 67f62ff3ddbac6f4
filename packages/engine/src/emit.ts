import type { Container } from './container.ts';
import type { Deps } from './deps.ts';

/** A container's event, with the attributes all of them have: its labels, image and name. */
export function emitContainer(deps: Deps, container: Container, action: string, attributes: Readonly<Record<string, string>> = {}): void {
  const { labels, imageReference, name } = container.definition;
  deps.events.emit({ type: 'container', action, actorId: container.id, attributes: { ...labels, image: imageReference, name, ...attributes } });
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
