import { randomBytes } from 'node:crypto';
import { PoolAddresses } from './address-pool.ts';
import { networkFault } from './faults.ts';
import type { Element } from './firewall.ts';
import { contains, formatAddress, isV4, macOf, parseAddress, parseBlock, writtenPrefix } from './addresses.ts';
import type { EndpointDefinition, EndpointRequest, NetworkDefinition } from './port.ts';

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
  allocate(request: EndpointRequest): EndpointDefinition {
    const mac = request.mac === undefined || request.mac === '' ? undefined : unicastMac(request.mac);
    if (mac !== undefined && this.#macs.has(mac)) throw networkFault.macInUse(mac);
    const v4 = this.#one(true, request.ipv4);
    if (v4 === undefined) throw networkFault.addressesExhausted('IPv4', this.network.name, this.network.id);
    let v6: Taken | undefined;
    try {
      v6 = this.#one(false, request.ipv6);
    } catch (error) {
      v4.pool.release(v4.address);
      throw error;
    }
    const endpoint: EndpointDefinition = {
      endpointId: randomBytes(32).toString('hex'),
      networkId: this.network.id,
      containerId: request.containerId,
      ipv4: placeOf(v4),
      mac: mac ?? this.#freeMac(v4.address),
      gateway: v4.gateway,
      ...(v6 === undefined ? {} : { ipv6: placeOf(v6), ipv6Gateway: v6.gateway }),
      names: [...new Set(request.names.map((name) => name.toLowerCase().replace(/\.$/, '')))],
    };
    this.#remember(endpoint);
    return endpoint;
  }

  /** An endpoint that exists already (restart). */
  adopt(endpoint: EndpointDefinition): void {
    for (const address of addressesOf(endpoint)) for (const pool of this.#pools) pool.adopt(address);
    this.#remember(endpoint);
  }

  release(endpoint: EndpointDefinition): boolean {
    const known = this.#endpoints.get(endpoint.endpointId);
    if (known === undefined) return false;
    this.#endpoints.delete(known.endpointId);
    if (this.#macs.get(known.mac) === known.endpointId) this.#macs.delete(known.mac);
    for (const address of addressesOf(known)) for (const pool of this.#pools) pool.release(address);
    return true;
  }

  /** Containers that have an endpoint here. */
  containerIds(): string[] {
    return [...this.#endpoints.values()].map((endpoint) => endpoint.containerId);
  }

  #remember(endpoint: EndpointDefinition): void {
    this.#endpoints.set(endpoint.endpointId, endpoint);
    this.#macs.set(endpoint.mac, endpoint.endpointId);
  }

  /** An address of one family, the one asked for if any; `undefined` where the network has none of that family. */
  #one(wantsV4: boolean, wish: string | undefined): Taken | undefined {
    const pools = this.#pools.filter((pool) => pool.isV4 === wantsV4);
    const family = wantsV4 ? 'IPv4' : 'IPv6';
    if (wish !== undefined && wish !== '') {
      const address = parseAddress(wish);
      if (address === undefined || isV4(address) !== wantsV4) throw networkFault.addressInvalid(family, wish);
      const pool = pools.find(({ subnet }) => contains(subnet, address));
      if (pool === undefined) throw networkFault.addressOutside(wish);
      pool.takeExactly(address);
      return { address, pool, gateway: this.#gatewayOf(pool) };
    }
    for (const pool of pools) {
      const address = pool.take();
      if (address !== undefined) return { address, pool, gateway: this.#gatewayOf(pool) };
    }
    if (pools.length > 0) throw networkFault.addressesExhausted(family, this.network.name, this.network.id);
    return undefined;
  }

  #gatewayOf(pool: PoolAddresses): string {
    return this.network.pools[this.#pools.indexOf(pool)]?.gateway ?? '';
  }

  /** Docker's 02:42 and the address; another one only where a user has taken just that for a container elsewhere. */
  #freeMac(address: bigint): string {
    let mac = macOf(address);
    while (this.#macs.has(mac))
      mac = `02:${randomBytes(5)
        .toString('hex')
        .replace(/(..)(?=.)/g, '$1:')}`;
    return mac;
  }
}

interface Taken {
  readonly address: bigint;
  readonly pool: PoolAddresses;
  readonly gateway: string;
}

function placeOf({ address, pool }: Taken): { address: string; prefix: number } {
  return { address: formatAddress(address), prefix: writtenPrefix(pool.subnet) };
}

function addressesOf({ ipv4, ipv6 }: EndpointDefinition): bigint[] {
  return [ipv4.address, ipv6?.address ?? ''].flatMap((text) => parseAddress(text) ?? []);
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
  return [
    { set: 'bridges', key: bridge },
    { set: 'hairpins', key: `${bridge} . ${bridge}` },
    ...(network.internal ? [{ set: 'internal' as const, key: bridge }] : []),
    ...(network.internal || isOff(network, 'enable_ip_masquerade') ? [] : [{ set: 'masqueraded' as const, key: bridge }]),
    ...(secluded(network) ? [{ set: 'secluded' as const, key: bridge }] : []),
    ...network.pools.flatMap((pool): Element[] => {
      const subnet = parseBlock(pool.subnet);
      if (subnet === undefined) return [];
      const own = { key: `${bridge} . ${pool.subnet}` };
      if (!isV4(subnet.base))
        return [
          { set: 'bridges6', key: bridge },
          { set: 'segments6', ...own },
          { set: 'own_addresses6', key: pool.gateway },
        ];
      return [
        { set: 'segments', ...own },
        { set: 'gateways', key: `${bridge} . ${pool.gateway}` },
        { set: 'own_addresses', key: pool.gateway },
      ];
    }),
  ];
}

/** Docker's option against traffic between the containers of a network. */
export function secluded(network: NetworkDefinition): boolean {
  return isOff(network, 'enable_icc');
}

/** Whether an option of Docker's bridge driver says no, in one of the ways in which Go reads that. */
function isOff(network: NetworkDefinition, option: string): boolean {
  return /^(0|f|F|false|FALSE|False)$/.test(network.options[`com.docker.network.bridge.${option}`] ?? '');
}
