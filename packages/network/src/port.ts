import type { NicSpec } from '@berth/runtime';

/** What a network is, as the engine stores it. The engine owns the rows; this package owns the effects. */
export interface NetworkDefinition {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** `bridge`: a segment of its own. `none`: loopback only. (`host` means nothing in a VM and is refused by the engine.) */
  readonly driver: 'bridge' | 'none';
  /** No way out, no way in from other networks or the host's outside. */
  readonly internal: boolean;
  /** The network a container joins when none is named: no name service between containers, as in Docker. */
  readonly isDefault: boolean;
  /** IPv6 beside IPv4, which is always there. */
  readonly enableIpv6?: boolean;
  /** One of IPv4, and with `enableIpv6` one of IPv6. */
  readonly pools: readonly AddressPool[];
  readonly mtu: number;
  /** Host bridge name, at most 15 bytes; chosen by `plan`. */
  readonly bridge: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface AddressPool {
  /** CIDR. */
  readonly subnet: string;
  /** The bridge's own address; the resolver listens on that of IPv4. */
  readonly gateway: string;
  /** CIDR within `subnet` from which addresses are given automatically (`--ip-range`). */
  readonly range?: string;
  readonly reserved?: Readonly<Record<string, string>>;
}

/** What a container has on one network. Stored by the engine, so that a restart gives the same address. */
export interface EndpointDefinition {
  readonly endpointId: string;
  readonly networkId: string;
  readonly containerId: string;
  readonly ipv4: { readonly address: string; readonly prefix: number };
  readonly ipv6?: { readonly address: string; readonly prefix: number };
  readonly mac: string;
  readonly gateway: string;
  readonly ipv6Gateway?: string;
  /** Names this endpoint answers to on its network, besides what `namesFor` adds. Lower-case, without a dot at the end. */
  readonly names: readonly string[];
}

export interface EndpointRequest {
  readonly containerId: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
  readonly names: readonly string[];
}

/** Where a container is reached; over IPv6 only on a network that has it. */
export interface ContainerAddresses {
  readonly ipv4: string;
  readonly ipv6?: string;
}

export interface PortPublication {
  readonly protocol: 'tcp' | 'udp';
  readonly containerPort: number;
  /** `''` = all addresses, IPv4 and IPv6. */
  readonly hostAddress: string;
  /** Concrete. */
  readonly hostPort: number;
}

export interface PortRequest {
  readonly protocol: 'tcp' | 'udp';
  readonly containerPort: number;
  readonly hostAddress: string;
  /** First..last host port acceptable; 0..0 = any free one from the ephemeral range. */
  readonly hostPortFirst: number;
  readonly hostPortLast: number;
}

/** Host effects of networking. All methods are idempotent unless said otherwise; faults leave nothing half-made. */
export interface Networking extends AsyncDisposable {
  /**
   * Pure planning of a new network: chooses the bridge name and, where none is given, a free subnet and gateway.
   * Faults: `subnet-invalid`, `subnet-overlaps` (Docker's "Pool overlaps with other one on this address space"),
   * `gateway-invalid`, `address-space-exhausted`.
   */
  plan(
    request: Omit<NetworkDefinition, 'bridge' | 'pools'> & { readonly pools: readonly Partial<AddressPool>[] },
    existing: readonly NetworkDefinition[],
  ): NetworkDefinition;
  /** Makes bridge, address, rules and resolver. */
  create(network: NetworkDefinition): Promise<void>;
  remove(network: NetworkDefinition): Promise<void>;
  /**
   * Reserves an address and MAC for a container. Pure bookkeeping in memory. Faults: `address-in-use` ("Address already
   * in use"), `address-outside` , `address-invalid`, `addresses-exhausted`.
   */
  allocate(network: NetworkDefinition, request: EndpointRequest): EndpointDefinition;
  /** Tells the package about networks and endpoints that exist (at start, from the store); makes what of a network is missing. */
  restore(networks: readonly NetworkDefinition[], endpoints: readonly EndpointDefinition[]): Promise<void>;
  release(endpoint: EndpointDefinition): void;
  /** Makes the endpoint's names resolvable (the container runs). */
  announce(endpoint: EndpointDefinition): void;
  withdraw(endpoint: EndpointDefinition): void;
  /** Names of others that only this container knows on this network (`--link`): name to a name they have there. Replaces those before. */
  setLinks(endpoint: EndpointDefinition, links: Readonly<Record<string, string>>): void;
  /** What the runtime needs to make the NIC. `isGateway`: this endpoint carries the default route. */
  nic(network: NetworkDefinition, endpoint: EndpointDefinition, name: string, isGateway: boolean): NicSpec;
  /**
   * Chooses concrete host ports and publishes them; all or nothing. Faults: `port-in-use`
   * ("Bind for 0.0.0.0:8080 failed: port is already allocated"), `address-unavailable`.
   */
  publish(
    containerId: string,
    container: ContainerAddresses,
    requests: readonly PortRequest[],
    preferred?: readonly PortPublication[],
  ): Promise<PortPublication[]>;
  unpublish(containerId: string): Promise<void>;
  /** Per-container name-server choices (`--dns`, `--dns-search`); asked by source address. */
  setUpstreams(endpoint: EndpointDefinition, servers: readonly string[]): void;
  /** Contents of resolv.conf for a container whose first endpoint this is. */
  resolvConf(endpoint: EndpointDefinition | undefined, options: { dns: readonly string[]; search: readonly string[]; options: readonly string[] }): string;
  /** Removes bridges, taps, rules and listeners with Berth's prefix that belong to nothing known. Called once at start. */
  sweep(networks: readonly NetworkDefinition[]): Promise<void>;
}
