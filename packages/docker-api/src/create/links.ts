import type { HostConfigRequest } from '@berth/docker-wire';
import type { Engine, Link } from '@berth/engine';
import { isFault } from '@berth/kit';
import { invalid } from '../faults.ts';
import { modeNetwork } from './network-mode.ts';

/** `container:alias`, or `container` alone, which is then its alias too. Fault in Docker's words. */
export function parseLink(text: string): Link {
  const parts = text.split(':');
  const [container = '', alias = container] = parts;
  if (text === '' || parts.length > 2) throw invalid('link-invalid', text === '' ? 'empty string specified for links' : `bad format for links: ${text}`);
  // As inspect tells them, and as clients send them back: `/name:/other/alias`.
  return container.startsWith('/') ? { container: container.slice(1), alias: alias.split('/').at(-1) ?? alias } : { container, alias };
}

/**
 * Links on the default network. On others the endpoint has them, and those of HostConfig, which clients send as well, say
 * nothing. Faults in Docker's words.
 */
export function linksFor(host: HostConfigRequest, engine: Engine): Link[] {
  if (modeNetwork(host.NetworkMode) !== 'bridge') return [];
  return host.Links.map((text) => {
    const { container, alias } = parseLink(text);
    if (container === '') throw invalid('link-invalid', 'could not get container for : invalid name or ID supplied: ""');
    try {
      return { container: engine.container(container).definition.id, alias };
    } catch (error) {
      if (isFault(error, 'container-not-found')) throw invalid('link-invalid', `could not get container for ${container}: ${error.message}`);
      throw error;
    }
  });
}
