import { shortId } from '@berth/kit';
import { contains, parseAddress, parseBlock } from './ipv4.ts';
import type { EndpointDefinition, NetworkDefinition } from './port.ts';

/** What the resolver may tell one asker. */
export interface NameView {
  /** IPv4 addresses behind a name (lower-case, no dot at the end); empty: it doesn't exist here. */
  lookup(name: string): string[];
  /** The name of an address: `undefined` when it is none of ours, `null` when it is ours and nobody's. */
  reverse(address: string): string | null | undefined;
  /** Whether other questions may be passed on. */
  readonly recursion: boolean;
  /** Name servers of the asker's own; empty: the instance's. */
  readonly upstreams: readonly string[];
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
  #turn = 0;

  addNetwork(network: NetworkDefinition): void {
    if (!this.#segments.has(network.id)) this.#segments.set(network.id, { network, names: new Map(), byAddress: new Map() });
  }

  removeNetwork(networkId: string): void {
    const segment = this.#segments.get(networkId);
    for (const endpointId of segment?.byAddress.values() ?? []) {
      this.#drop(endpointId);
      this.#upstreams.delete(endpointId);
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
    segment.byAddress.set(endpoint.ipv4.address, endpoint.endpointId);
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
    if (segment.byAddress.get(known.ipv4.address) === endpoint.endpointId) segment.byAddress.delete(known.ipv4.address);
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

  forget(endpointId: string): void {
    this.#upstreams.delete(endpointId);
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
          const addresses = [...(segment.names.get(name) ?? [])].flatMap((id) => this.#endpoints.get(id)?.ipv4.address ?? []);
          if (addresses.length > 0) return this.#rotate(addresses);
        }
        return [];
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
  #rotate(addresses: string[]): string[] {
    const start = this.#turn++ % addresses.length;
    return [...addresses.slice(start), ...addresses.slice(0, start)];
  }
}
