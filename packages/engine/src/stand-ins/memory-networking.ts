import { Fault, newId } from '@berth/kit';
import type {
  AddressPool,
  ContainerAddresses,
  EndpointDefinition,
  EndpointRequest,
  NetworkDefinition,
  Networking,
  PortPublication,
  PortRequest,
} from '@berth/network';
import type { NicSpec } from '@berth/runtime';

/** Networking without effects: books of addresses, names and ports, which tests can look into. */
export class MemoryNetworking implements Networking {
  readonly endpoints = new Map<string, EndpointDefinition>();
  readonly announced = new Map<string, EndpointDefinition>();
  readonly published = new Map<string, PortPublication[]>();
  readonly created = new Set<string>();
  readonly links = new Map<string, Readonly<Record<string, string>>>();

  plan(
    request: Omit<NetworkDefinition, 'bridge' | 'pools'> & { readonly pools: readonly Partial<AddressPool>[] },
    existing: readonly NetworkDefinition[],
  ): NetworkDefinition {
    const taken = existing.flatMap(({ pools }) => pools.map(({ subnet }) => subnet));
    const wanted = request.pools[0]?.subnet;
    if (wanted !== undefined && taken.includes(wanted)) {
      throw new Fault('forbidden', 'subnet-overlaps', 'invalid pool request: Pool overlaps with other one on this address space');
    }
    let second = 17;
    while (wanted === undefined && taken.includes(`172.${second}.0.0/16`)) second += 1;
    const subnet = wanted ?? `172.${second}.0.0/16`;
    const gateway = request.pools[0]?.gateway ?? subnet.replace(/\.\d+\/\d+$/, '.1');
    return { ...request, pools: [{ ...request.pools[0], subnet, gateway }], bridge: `mem-${request.id.slice(0, 8)}` };
  }

  async create(network: NetworkDefinition): Promise<void> {
    this.created.add(network.id);
  }

  async remove(network: NetworkDefinition): Promise<void> {
    this.created.delete(network.id);
  }

  allocate(network: NetworkDefinition, request: EndpointRequest): EndpointDefinition {
    const pool = network.pools[0];
    const prefix = Number(pool?.subnet.split('/')[1] ?? 16);
    const base = (pool?.gateway ?? '10.0.0.1').split('.').slice(0, 2).join('.');
    const used = new Set([...this.endpoints.values()].filter(({ networkId }) => networkId === network.id).map(({ ipv4 }) => ipv4.address));
    if (request.ipv4 !== undefined && used.has(request.ipv4)) throw new Fault('forbidden', 'address-in-use', 'Address already in use');
    let host = 2;
    const address = () => request.ipv4 ?? `${base}.${host >> 8}.${host & 255}`;
    while (used.has(address())) host += 1;
    const mac =
      request.mac ??
      `02:42:${address()
        .split('.')
        .map((byte) => Number(byte).toString(16).padStart(2, '0'))
        .join(':')}`;
    const { containerId, names } = request;
    const endpoint = {
      endpointId: newId(),
      networkId: network.id,
      containerId,
      ipv4: { address: address(), prefix },
      mac,
      gateway: pool?.gateway ?? '',
      names,
    };
    this.endpoints.set(endpoint.endpointId, endpoint);
    return endpoint;
  }

  async restore(networks: readonly NetworkDefinition[], endpoints: readonly EndpointDefinition[]): Promise<void> {
    for (const network of networks) this.created.add(network.id);
    for (const endpoint of endpoints) this.endpoints.set(endpoint.endpointId, endpoint);
  }

  release(endpoint: EndpointDefinition): void {
    this.endpoints.delete(endpoint.endpointId);
  }

  announce(endpoint: EndpointDefinition): void {
    this.announced.set(endpoint.endpointId, endpoint);
  }

  withdraw(endpoint: EndpointDefinition): void {
    this.announced.delete(endpoint.endpointId);
  }

  nic(network: NetworkDefinition, endpoint: EndpointDefinition, name: string, isGateway: boolean): NicSpec {
    const { mac, ipv4, gateway } = endpoint;
    return { networkId: network.id, name, bridge: network.bridge, mac, ipv4, mtu: network.mtu, ...(isGateway && !network.internal ? { gateway } : {}) };
  }

  async publish(
    containerId: string,
    _container: ContainerAddresses,
    requests: readonly PortRequest[],
    preferred: readonly PortPublication[] = [],
  ): Promise<PortPublication[]> {
    const used = new Set(
      [...this.published].flatMap(([owner, list]) => (owner === containerId ? [] : list.map(({ protocol, hostPort }) => `${protocol}/${hostPort}`))),
    );
    const chosen = requests.map(({ protocol, containerPort, hostAddress, hostPortFirst, hostPortLast }) => {
      const same = preferred.find((one) => one.protocol === protocol && one.containerPort === containerPort && one.hostAddress === hostAddress);
      const [first, last] = same !== undefined ? [same.hostPort, same.hostPort] : hostPortFirst === 0 ? [32768, 60999] : [hostPortFirst, hostPortLast];
      for (let hostPort = first; hostPort <= last; hostPort += 1) {
        if (used.has(`${protocol}/${hostPort}`)) continue;
        used.add(`${protocol}/${hostPort}`);
        return { protocol, containerPort, hostAddress, hostPort };
      }
      throw new Fault('conflict', 'port-in-use', `Bind for ${hostAddress === '' ? '0.0.0.0' : hostAddress}:${first} failed: port is already allocated`);
    });
    this.published.set(containerId, chosen);
    return chosen;
  }

  async unpublish(containerId: string): Promise<void> {
    this.published.delete(containerId);
  }

  setUpstreams(): void {}

  setLinks(endpoint: EndpointDefinition, links: Readonly<Record<string, string>>): void {
    this.links.set(endpoint.endpointId, links);
  }

  resolvConf(endpoint: EndpointDefinition | undefined, options: { dns: readonly string[]; search: readonly string[]; options: readonly string[] }): string {
    return `nameserver ${endpoint?.gateway ?? options.dns[0] ?? '127.0.0.1'}\n`;
  }

  async sweep(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
