import { shortId } from '@berth/kit';
import { contains, parseAddress, parseBlock } from './addresses.ts';
import type { EndpointDefinition, NetworkDefinition } from './port.ts';

/** What the resolver may tell one asker. */
export interface NameView {
  /** Addresses behind a name (lower-case, no dot at the end); `undefined`: it doesn't exist here. */
  lookup(name: string): NameAddresses | undefined;
  /** The name of an address: `undefined` when it is none of ours, `null` when it is ours and nobody's. */
  reverse(address: string): string | null | undefined;
  /** Whether other questions may be passed on. */
  readonly recursion: boolean;
  /** Name servers of the asker's own; empty: the instance's. */
  readonly upstreams: readonly string[];
}

export interface NameAddresses {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

interface Segment {
  readonly network: NetworkDefinition;
  /** Names to endpoint ids. */
  readonly names: Map<string, Set<string>>;
  readonly byAddress: Map<string, string>;
}

/** Every name an endpoint answers to: its own, its container's short id, and each of these followed by the network's. */
export function namesFor(network: NetworkDefinition, endpoint: EndpointDefinition): string[] {
  const own = [...endpoint.names, shortId(endpoint.containerId)].map((name) => name.toLowerCase());
  return [...new Set(own.flatMap((name) => [name, `${name}.${network.name.toLowerCase()}`]))];
}

/** Who answers to which name on which network: in memory, filled by `announce`. */
export class Names {
  readonly #segments = new Map<string, Segment>();
  readonly #endpoints = new Map<string, EndpointDefinition>();
  readonly #byContainer = new Map<string, Set<string>>();
  readonly #upstreams = new Map<string, readonly string[]>();
  readonly #links = new Map<string, ReadonlyMap<string, string>>();
  #turn = 0;

  addNetwork(network: NetworkDefinition): void {
    if (!this.#segments.has(network.id)) this.#segments.set(network.id, { network, names: new Map(), byAddress: new Map() });
  }

  removeNetwork(networkId: string): void {
    const segment = this.#segments.get(networkId);
    for (const endpointId of segment?.byAddress.values() ?? []) {
      this.#drop(endpointId);
      this.forget(endpointId);
    }
    this.#segments.delete(networkId);
  }

  announce(endpoint: EndpointDefinition): void {
    const segment = this.#segments.get(endpoint.networkId);
    if (segment === undefined) return;
    this.withdraw(endpoint);
    this.#endpoints.set(endpoint.endpointId, endpoint);
    const siblings = this.#byContainer.get(endpoint.containerId) ?? new Set<string>();
    siblings.add(endpoint.endpointId);
    this.#byContainer.set(endpoint.containerId, siblings);
    for (const address of addressesOf(endpoint)) segment.byAddress.set(address, endpoint.endpointId);
    // The default network has no names, as in Docker; its endpoints are known only as askers.
    if (segment.network.isDefault) return;
    for (const name of namesFor(segment.network, endpoint)) {
      const holders = segment.names.get(name) ?? new Set<string>();
      holders.add(endpoint.endpointId);
      segment.names.set(name, holders);
    }
  }

  withdraw(endpoint: EndpointDefinition): void {
    const known = this.#endpoints.get(endpoint.endpointId);
    const segment = this.#segments.get(endpoint.networkId);
    if (known === undefined || segment === undefined) return;
    this.#drop(endpoint.endpointId);
    for (const address of addressesOf(known)) if (segment.byAddress.get(address) === endpoint.endpointId) segment.byAddress.delete(address);
    for (const name of namesFor(segment.network, known)) {
      const holders = segment.names.get(name);
      holders?.delete(endpoint.endpointId);
      if (holders?.size === 0) segment.names.delete(name);
    }
  }

  /** Empty: back to the instance's. */
  setUpstreams(endpointId: string, servers: readonly string[]): void {
    if (servers.length === 0) this.#upstreams.delete(endpointId);
    else this.#upstreams.set(endpointId, servers);
  }

  /** Names that only this endpoint's container knows: name to a name on its network. */
  setLinks(endpointId: string, links: Readonly<Record<string, string>>): void {
    this.#links.set(endpointId, new Map(Object.entries(links).map(([name, known]) => [name.toLowerCase(), known.toLowerCase()])));
  }

  forget(endpointId: string): void {
    this.#upstreams.delete(endpointId);
    this.#links.delete(endpointId);
  }

  /**
   * What an asker with this source address on this network may know: the names of all networks its container is on, the
   * asked one first, and of no other.
   */
  viewFor(networkId: string, source: string): NameView {
    const asked = this.#segments.get(networkId);
    const asker = this.#endpoints.get(asked?.byAddress.get(source) ?? '');
    const endpoints = [...(this.#byContainer.get(asker?.containerId ?? '') ?? [])].flatMap((id) => this.#endpoints.get(id) ?? []);
    const segments = [...new Set([asked, ...endpoints.map((endpoint) => this.#segments.get(endpoint.networkId))])].filter(
      (segment): segment is Segment => segment !== undefined,
    );
    const upstreams = endpoints.map((endpoint) => this.#upstreams.get(endpoint.endpointId)).find((servers) => servers !== undefined);
    return {
      // A container on one network with a way out has a way out, whatever other networks it is on.
      recursion: segments.some((segment) => !segment.network.internal),
      // The host would bring its questions into segments where the container itself may not go.
      upstreams: (upstreams ?? []).filter((server) => {
        const home = this.#segmentOf(server);
        return home === undefined || segments.includes(home);
      }),
      lookup: (name) => {
        for (const segment of segments) {
          const own = endpoints.find((endpoint) => endpoint.networkId === segment.network.id);
          const known = this.#links.get(own?.endpointId ?? '')?.get(name) ?? name;
          const holders = [...(segment.names.get(known) ?? [])].flatMap((id) => this.#endpoints.get(id) ?? []);
          if (holders.length > 0) return this.#rotated(holders);
        }
        return undefined;
      },
      reverse: (address) => this.#reverse(segments, address),
    };
  }

  #drop(endpointId: string): void {
    const endpoint = this.#endpoints.get(endpointId);
    if (endpoint === undefined) return;
    this.#endpoints.delete(endpointId);
    const siblings = this.#byContainer.get(endpoint.containerId);
    siblings?.delete(endpointId);
    if (siblings?.size === 0) this.#byContainer.delete(endpoint.containerId);
  }

  #reverse(segments: readonly Segment[], address: string): string | null | undefined {
    for (const segment of segments) {
      const endpoint = this.#endpoints.get(segment.byAddress.get(address) ?? '');
      if (endpoint !== undefined && !segment.network.isDefault) {
        return `${(endpoint.names[0] ?? shortId(endpoint.containerId)).toLowerCase()}.${segment.network.name.toLowerCase()}`;
      }
    }
    // Addresses of our own segments are never asked about outside.
    return this.#segmentOf(address) === undefined ? undefined : null;
  }

  #segmentOf(text: string): Segment | undefined {
    const address = parseAddress(text);
    if (address === undefined) return undefined;
    return [...this.#segments.values()].find((segment) =>
      segment.network.pools.some((pool) => {
        const subnet = parseBlock(pool.subnet);
        return subnet !== undefined && contains(subnet, address);
      }),
    );
  }

  /** Each answer begins with the next one. */
  #rotated(holders: readonly EndpointDefinition[]): NameAddresses {
    const start = this.#turn++ % holders.length;
    const inTurn = [...holders.slice(start), ...holders.slice(0, start)];
    return { ipv4: inTurn.map(({ ipv4 }) => ipv4.address), ipv6: inTurn.flatMap(({ ipv6 }) => ipv6?.address ?? []) };
  }
}

function addressesOf({ ipv4, ipv6 }: EndpointDefinition): string[] {
  return ipv6 === undefined ? [ipv4.address] : [ipv4.address, ipv6.address];
}
