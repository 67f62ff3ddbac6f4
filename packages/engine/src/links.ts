import { shortId } from '@berth/kit';
import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import { linkNotOnDefault, linkNotRunning } from './faults.ts';
import type { Link } from './port.ts';

/**
 * Docker's links, as it still has them: on the default network the linked container is a line in /etc/hosts and a set of
 * variables at the start; on any other it is a name in name service that one container alone knows.
 */

interface Linked {
  readonly alias: string;
  readonly target: Container;
  readonly address: string;
}

/** Those on the default network whose container still exists; `address` is '' while it has none there. */
function linkedContainers(deps: Deps, { definition }: Container): Linked[] {
  return (definition.links ?? []).flatMap(({ container, alias }) => {
    const target = deps.registry.byId(container);
    if (target === undefined) return [];
    const endpoint = target.endpoints.find(({ networkId }) => deps.networks.byId(networkId)?.isDefault === true)?.endpoint;
    return [{ alias, target, address: endpoint?.ipv4.address ?? '' }];
  });
}

/** Faults `link-not-running`, `link-not-on-default`. */
export function checkLinks(deps: Deps, container: Container): void {
  for (const { alias, target, address } of linkedContainers(deps, container)) {
    if (target.current === undefined) throw linkNotRunning(target.name, container.name, alias);
    if (address === '') throw linkNotOnDefault(target.name);
  }
}

/** Lines for /etc/hosts. */
export function hostsOfLinks(deps: Deps, container: Container): string[] {
  return linkedContainers(deps, container).flatMap(({ alias, target, address }) => {
    const { hostname, name } = target.definition;
    return address === '' ? [] : [`${address}\t${[...new Set([alias, hostname, name])].join(' ')}`];
  });
}

/** `ALIAS_NAME`, `ALIAS_PORT…` and `ALIAS_ENV_…`, for the start. */
export function environmentOfLinks(deps: Deps, container: Container): string[] {
  return linkedContainers(deps, container).flatMap(({ alias, target, address }) => {
    const prefix = alias.toUpperCase().replaceAll('-', '_');
    const ports = portsOf(target).map(([port, protocol]) => {
      const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
      const url = `${protocol}://${address}:${port}`;
      return { port, protocol, name, url, lines: [`${name}=${url}`, `${name}_ADDR=${address}`, `${name}_PORT=${port}`, `${name}_PROTO=${protocol}`] };
    });
    // Three or more in a row are also told as a range.
    const ranges = ports.flatMap((first, index) => {
      const follows = (at: number) => ports[at]?.protocol === first.protocol && ports[at].port === first.port + at - index;
      let end = index;
      while (follows(end + 1)) end += 1;
      const last = ports[end];
      const isInside = index > 0 && ports[index - 1]?.protocol === first.protocol && ports[index - 1]?.port === first.port - 1;
      if (last === undefined || isInside || end < index + 2) return [];
      const { name } = first;
      return [`${name}_START=${first.url}`, `${name}_PORT_START=${first.port}`, `${name}_END=${last.url}`, `${name}_PORT_END=${last.port}`];
    });
    const inherited = target.definition.env.filter((entry) => entry.includes('=') && !/^(HOME|PATH|HOSTNAME)=/.test(entry));
    return [
      `${prefix}_NAME=/${container.name}/${alias}`,
      ...ports.slice(0, 1).map(({ url }) => `${prefix}_PORT=${url}`),
      ...ports.flatMap(({ lines }) => lines),
      ...ranges,
      ...inherited.map((entry) => `${prefix}_ENV_${entry}`),
    ];
  });
}

/** The lowest first, TCP before others. */
function portsOf({ definition }: Container): [number, string][] {
  return (definition.exposedPorts ?? [])
    .map((key): [number, string] => [Number.parseInt(key, 10), key.split('/')[1] ?? 'tcp'])
    .sort(([one, first], [other]) => one - other || (first === 'tcp' ? -1 : 1));
}

/** For name service: the alias, and a name that its container has on every network whatever it is called. */
export function linkedNames(deps: Deps, links: readonly Link[]): Record<string, string> {
  const idOf = (reference: string): string => {
    try {
      return shortId(deps.registry.find(reference).id);
    } catch {
      // Nobody yet: the name itself, should it come to be.
      return reference;
    }
  };
  return Object.fromEntries(links.map(({ container, alias }) => [alias, idOf(container)]));
}

/** Running containers that have a link to this one. */
export function linkersOf(deps: Deps, container: Container): Container[] {
  return deps.registry.all().filter(({ definition, current }) => current !== undefined && definition.links?.some((link) => link.container === container.id));
}
