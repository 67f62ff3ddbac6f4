import { randomBytes } from 'node:crypto';
import { PoolAddresses } from './address-pool.ts';
import { networkFault } from './faults.ts';
import type { Element } from './firewall.ts';
import { contains, formatAddress, macOf, parseAddress, parseBlock } from './ipv4.ts';
import type { EndpointDefinition, NetworkDefinition } from './port.ts';

/** The endpoints of one network, in memory: addresses and MACs that are taken. */
export class Segment {
  readonly network: NetworkDefinition;
  readonly #pools: readonly PoolAddresses[];
  readonly #endpoints = new Map<string, EndpointDefinition>();
  readonly #macs = new Map<string, string>();

  constructor(network: NetworkDefinition) {
    this.network = network;
    this.#pools = network.pools.map((pool) => new PoolAddresses(pool));
  }

  /** See `Networking.allocate`. */
  allocate(request: { containerId: string; ipv4?: string; mac?: string; names: readonly string[] }): EndpointDefinition {
    const mac = request.mac === undefined || request.mac === '' ? undefined : unicastMac(request.mac);
    if (mac !== undefined && this.#macs.has(mac)) throw networkFault.macInUse(mac);
    const { address, index } = request.ipv4 === undefined || request.ipv4 === '' ? this.#take() : this.#takeExactly(request.ipv4);
    const pool = this.network.pools[index];
    const endpoint: EndpointDefinition = {
      endpointId: randomBytes(32).toString('hex'),
      networkId: this.network.id,
      containerId: request.containerId,
      ipv4: { address: formatAddress(address), prefix: this.#pools[index]?.subnet.prefix ?? 32 },
      mac: mac ?? this.#freeMac(address),
      gateway: pool?.gateway ?? '',
      names: [...new Set(request.names.map((name) => name.toLowerCase().replace(/\.$/, '')))],
    };
    this.#remember(endpoint);
    return endpoint;
  }

  /** An endpoint that exists already (restart). */
  adopt(endpoint: EndpointDefinition): void {
    const address = parseAddress(endpoint.ipv4.address);
    if (address !== undefined) for (const pool of this.#pools) pool.adopt(address);
    this.#remember(endpoint);
  }

  release(endpoint: EndpointDefinition): boolean {
    const known = this.#endpoints.get(endpoint.endpointId);
    if (known === undefined) return false;
    this.#endpoints.delete(known.endpointId);
    if (this.#macs.get(known.mac) === known.endpointId) this.#macs.delete(known.mac);
    const address = parseAddress(known.ipv4.address);
    if (address !== undefined) for (const pool of this.#pools) pool.release(address);
    return true;
  }

  /** Containers that have an endpoint here. */
  containerIds(): string[] {
    return [...this.#endpoints.values()].map((endpoint) => endpoint.containerId);
  }

  /** Whether the address lies in one of the subnets. */
  holds(text: string): boolean {
    const address = parseAddress(text);
    return address !== undefined && this.#pools.some((pool) => contains(pool.subnet, address));
  }

  #remember(endpoint: EndpointDefinition): void {
    this.#endpoints.set(endpoint.endpointId, endpoint);
    this.#macs.set(endpoint.mac, endpoint.endpointId);
  }

  #take(): { address: number; index: number } {
    for (const [index, pool] of this.#pools.entries()) {
      const address = pool.take();
      if (address !== undefined) return { address, index };
    }
    throw networkFault.addressesExhausted(this.network.name, this.network.id);
  }

  #takeExactly(text: string): { address: number; index: number } {
    const address = parseAddress(text);
    if (address === undefined) throw networkFault.addressInvalid(text);
    const index = this.#pools.findIndex((pool) => contains(pool.subnet, address));
    const pool = this.#pools[index];
    if (pool === undefined) throw networkFault.addressOutside(text);
    pool.takeExactly(address);
    return { address, index };
  }

  /** Docker's 02:42 and the address; another one only where a user has taken just that for a container elsewhere. */
  #freeMac(address: number): string {
    let mac = macOf(address);
    while (this.#macs.has(mac))
      mac = `02:${randomBytes(5)
        .toString('hex')
        .replace(/(..)(?=.)/g, '$1:')}`;
    return mac;
  }
}

function unicastMac(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) || (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1 || mac === '00:00:00:00:00:00') {
    throw networkFault.macInvalid(text);
  }
  return mac;
}

/** What the firewall must know of a network. */
export function elementsOf(network: NetworkDefinition): Element[] {
  if (network.driver === 'none') return [];
  const bridge = `"${network.bridge}"`;
  const option = (name: string) => network.options[`com.docker.network.bridge.${name}`];
  return [
    { set: 'bridges', key: bridge },
    { set: 'hairpins', key: `${bridge} . ${bridge}` },
    ...(network.internal ? [{ set: 'internal' as const, key: bridge }] : []),
    ...(network.internal || option('enable_ip_masquerade') === 'false' ? [] : [{ set: 'masqueraded' as const, key: bridge }]),
    ...(secluded(network) ? [{ set: 'secluded' as const, key: bridge }] : []),
    ...network.pools.flatMap((pool): Element[] => {
      const block = parseBlock(pool.subnet);
      if (block === undefined) return [];
      return [
        { set: 'segments', key: `${bridge} . ${pool.subnet}` },
        { set: 'gateways', key: `${bridge} . ${pool.gateway}` },
      ];
    }),
  ];
}

/** Docker's option against traffic between the containers of a network. */
export function secluded(network: NetworkDefinition): boolean {
  return network.options['com.docker.network.bridge.enable_icc'] === 'false';
}
