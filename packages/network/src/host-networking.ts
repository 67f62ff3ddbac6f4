import { mkdir } from 'node:fs/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { readFileSync } from 'node:fs';
import { listRoutes } from '@berth/sys';
import type { NicSpec } from '@berth/runtime';
import { Bridges, type FoundBridge } from './bridges.ts';
import { Forwarder } from './dns-forwarder.ts';
import { networkFault } from './faults.ts';
import { type Element, Firewall } from './firewall.ts';
import { routePackets, routePackets6 } from './forwarding.ts';
import { HostFirewall } from './host-firewall.ts';
import type { NetworkLog } from './log.ts';
import { Names } from './names.ts';
import { planNetwork, type NetworkRequest } from './plan.ts';
import type { ContainerAddresses, EndpointDefinition, EndpointRequest, NetworkDefinition, Networking, PortPublication, PortRequest } from './port.ts';
import { PublishedPorts } from './published-ports.ts';
import { resolvConfText } from './resolv-conf.ts';
import { resolverComment, Resolvers } from './resolvers.ts';
import { elementsOf, Segment } from './segment.ts';

export interface HostNetworkingDependencies {
  /** Begins the name of every link and names the firewall table: 1 to 6 of `a-z0-9`, first a letter. */
  readonly prefix: string;
  /** For rule files handed to nft; made when it doesn't exist. */
  readonly runDirectory: string;
  /** Name servers questions are forwarded to (`address` or `address#port`); absent: those of the host's /etc/resolv.conf. */
  readonly upstreams?: readonly string[];
  readonly log: NetworkLog;
}

/** Networking on this host: Linux bridges, one nftables table and a resolver on each bridge. */
export class HostNetworking implements Networking {
  readonly #prefix: string;
  readonly #log: NetworkLog;
  readonly #bridges: Bridges;
  readonly #firewall: Firewall;
  readonly #hostFirewall: HostFirewall;
  readonly #ports: PublishedPorts;
  readonly #names = new Names();
  readonly #resolvers: Resolvers;
  readonly #segments = new Map<string, Segment>();
  /** Bridges known to be ours. */
  readonly #made = new Set<string>();
  /** One change of a network's links at a time. */
  readonly #turns = new Map<string, Promise<unknown>>();

  private constructor(dependencies: HostNetworkingDependencies, firewall: Firewall) {
    this.#prefix = dependencies.prefix;
    this.#log = dependencies.log;
    this.#bridges = new Bridges(dependencies.prefix);
    this.#firewall = firewall;
    this.#hostFirewall = new HostFirewall(dependencies.prefix, dependencies.log);
    this.#ports = new PublishedPorts(firewall, dependencies.log);
    const forwarder = new Forwarder(dependencies.upstreams, (address) => this.#isGateway(address));
    this.#resolvers = new Resolvers({ forwarder, firewall, names: this.#names, log: dependencies.log });
  }

  /** Takes over the firewall table of an earlier daemon if there is one. Faults: `prefix-invalid`, `command-missing`. */
  static async open(dependencies: HostNetworkingDependencies, options: { signal: AbortSignal }): Promise<HostNetworking> {
    if (!/^[a-z][a-z0-9]{0,5}$/.test(dependencies.prefix)) throw networkFault.prefixInvalid(dependencies.prefix);
    options.signal.throwIfAborted();
    await mkdir(dependencies.runDirectory, { recursive: true });
    const firewall = await Firewall.open(dependencies.prefix, dependencies.runDirectory, dependencies.log);
    await routePackets(dependencies.log);
    options.signal.throwIfAborted();
    const networking = new HostNetworking(dependencies, firewall);
    await networking.#hostFirewall.allow();
    return networking;
  }

  plan(request: NetworkRequest, existing: readonly NetworkDefinition[]): NetworkDefinition {
    return planNetwork(this.#prefix, request, existing, listRoutes());
  }

  create(network: NetworkDefinition): Promise<void> {
    return this.#inTurn(network.id, async () => {
      this.#learn(network);
      if (network.driver === 'none') return;
      if (network.enableIpv6 === true) await routePackets6(this.#log);
      // Side by side: nobody is on the segment before this is done, so it needs its rules no earlier than its bridge.
      const rules = this.#firewall.change({ add: elementsOf(network) });
      this.#hostFirewall.recheck();
      const made = await Promise.allSettled([rules, this.#makeBridge(network)]);
      const failed = made.find((result) => result.status === 'rejected');
      if (failed === undefined) return;
      await this.#erase(network);
      throw failed.reason;
    });
  }

  remove(network: NetworkDefinition): Promise<void> {
    return this.#inTurn(network.id, async () => {
      if (network.driver === 'none') return this.#forget(network.id);
      await this.#resolvers.close(network.id);
      await this.#erase(network);
    });
  }

  allocate(network: NetworkDefinition, request: EndpointRequest): EndpointDefinition {
    const endpoint = this.#learn(network).allocate(request);
    this.#resolvers.want(network);
    return endpoint;
  }

  async restore(networks: readonly NetworkDefinition[], endpoints: readonly EndpointDefinition[]): Promise<void> {
    const found = await this.#bridges.list();
    const bridged = networks.filter((network) => network.driver === 'bridge');
    if (bridged.some((network) => network.enableIpv6 === true)) await routePackets6(this.#log);
    await this.#firewall.change({ add: bridged.flatMap(elementsOf) });
    for (const network of networks) this.#learn(network);
    const present = bridged.filter((network) => found.some((bridge) => belongs(bridge, network)));
    for (const network of present) this.#made.add(network.bridge);
    await this.#bridges.repair(present);
    const missing = bridged.filter((network) => !present.includes(network));
    try {
      await this.#bridges.create(missing);
      for (const network of missing) this.#made.add(network.bridge);
    } catch {
      // One by one: a network that cannot be made must not keep the others away.
      for (const network of missing) {
        await this.#makeBridge(network).catch((error: unknown) => this.#log.error({ network: network.name, error }, 'a network could not be restored'));
      }
    }
    for (const endpoint of endpoints) {
      const segment = this.#segments.get(endpoint.networkId);
      if (segment === undefined) continue;
      segment.adopt(endpoint);
      this.#resolvers.want(segment.network);
    }
  }

  release(endpoint: EndpointDefinition): void {
    this.#names.withdraw(endpoint);
    this.#names.forget(endpoint.endpointId);
    this.#segments.get(endpoint.networkId)?.release(endpoint);
  }

  announce(endpoint: EndpointDefinition): void {
    const segment = this.#segments.get(endpoint.networkId);
    if (segment === undefined) return;
    this.#names.announce(endpoint);
    this.#resolvers.want(segment.network);
  }

  withdraw(endpoint: EndpointDefinition): void {
    this.#names.withdraw(endpoint);
  }

  nic(network: NetworkDefinition, endpoint: EndpointDefinition, name: string, isGateway: boolean): NicSpec {
    return {
      networkId: network.id,
      name,
      bridge: network.bridge,
      mac: endpoint.mac,
      ipv4: endpoint.ipv4,
      ...(endpoint.ipv6 === undefined ? {} : { ipv6: endpoint.ipv6 }),
      ...(isGateway && !network.internal ? { gateway: endpoint.gateway } : {}),
      ...(isGateway && !network.internal && endpoint.ipv6Gateway !== undefined ? { ipv6Gateway: endpoint.ipv6Gateway } : {}),
      mtu: network.mtu,
    };
  }

  publish(
    containerId: string,
    container: ContainerAddresses,
    requests: readonly PortRequest[],
    preferred: readonly PortPublication[] = [],
  ): Promise<PortPublication[]> {
    return this.#inTurn(containerId, () => this.#ports.publish(containerId, container, requests, preferred));
  }

  unpublish(containerId: string): Promise<void> {
    return this.#inTurn(containerId, () => this.#ports.unpublish(containerId));
  }

  setLinks(endpoint: EndpointDefinition, links: Readonly<Record<string, string>>): void {
    this.#names.setLinks(endpoint.endpointId, links);
  }

  setUpstreams(endpoint: EndpointDefinition, servers: readonly string[]): void {
    const [reachable, refused] = [servers.filter(mayAsk), servers.filter((server) => !mayAsk(server))];
    if (refused.length > 0)
      this.#log.warn({ container: endpoint.containerId, servers: refused }, 'name servers on the host itself are not asked for a container');
    this.#names.setUpstreams(endpoint.endpointId, reachable);
  }

  resolvConf(endpoint: EndpointDefinition | undefined, options: { dns: readonly string[]; search: readonly string[]; options: readonly string[] }): string {
    const network = endpoint === undefined ? undefined : this.#segments.get(endpoint.networkId)?.network;
    // Docker gives the default network's containers the servers of `--dns` themselves; others ask the resolver, which
    // knows of them by `setUpstreams`.
    const direct = network === undefined || (network.isDefault && options.dns.length > 0);
    let host = '';
    try {
      host = readFileSync('/etc/resolv.conf', 'utf8');
    } catch {
      // A host without the file has nothing to pass on.
    }
    return resolvConfText({
      servers: direct ? options.dns : [endpoint?.gateway ?? ''],
      host,
      search: options.search,
      options: options.options,
      ownResolver: network !== undefined && !network.isDefault,
    });
  }

  async sweep(networks: readonly NetworkDefinition[]): Promise<void> {
    const known = new Map(networks.map((network) => [network.bridge, network.id]));
    const stray = (await this.#bridges.list())
      .filter((bridge) => (bridge.networkId === '' ? !known.has(bridge.ifname) : known.get(bridge.ifname) !== bridge.networkId))
      .map((bridge) => bridge.ifname);
    if (stray.length > 0) this.#log.info({ bridges: stray }, 'removing bridges that belong to no network');
    await this.#bridges.delete(stray);
    const wanted = new Set(networks.flatMap(elementsOf).map((element) => `${element.set} ${element.key}`));
    const containers = new Set(networks.flatMap((network) => this.#segments.get(network.id)?.containerIds() ?? []));
    const gateways = new Set(networks.flatMap((network) => network.pools.map((pool) => pool.gateway)));
    const remove: Element[] = [];
    const ended = new Set<string>();
    for (const element of this.#firewall.elements()) {
      if (element.comment === resolverComment) {
        if (!gateways.has(element.key.split(' ')[0] ?? '')) remove.push(element);
      } else if (element.comment !== undefined) {
        if (!containers.has(element.comment)) ended.add(element.comment);
      } else if (!wanted.has(`${element.set} ${element.key}`)) remove.push(element);
    }
    await Promise.all([this.#firewall.change({ remove }), ...[...ended].map((containerId) => this.unpublish(containerId))]);
  }

  /** Takes back everything that was ever made on this host under this prefix. For uninstalling. */
  async erase(): Promise<void> {
    await this.sweep([]);
    await this[Symbol.asyncDispose]();
    await this.#firewall.delete();
    await this.#hostFirewall.withdraw();
  }

  /** Sockets are closed; bridges and rules stay, for containers outlive the daemon. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#turns.values());
    await this.#resolvers[Symbol.asyncDispose]();
    await this.#ports.close();
  }

  async #makeBridge(network: NetworkDefinition): Promise<void> {
    try {
      await this.#bridges.create([network]);
    } catch (error) {
      const found = (await this.#bridges.list()).find((bridge) => bridge.ifname === network.bridge);
      if (found === undefined) throw error;
      if (belongs(found, network)) await this.#bridges.repair([network]);
      else {
        // Ours, of a network that is no more: whatever still hangs on it must not come into this one.
        await this.#bridges.delete([network.bridge]);
        await this.#bridges.create([network]);
      }
    }
    this.#made.add(network.bridge);
  }

  /** The bridge, where it is this network's, and its elements. */
  async #erase(network: NetworkDefinition): Promise<void> {
    this.#forget(network.id);
    const ours = this.#made.delete(network.bridge) || (await this.#bridges.list()).some((bridge) => belongs(bridge, network));
    await Promise.all([ours ? this.#bridges.delete([network.bridge]) : undefined, this.#firewall.change({ remove: elementsOf(network) })]);
  }

  #learn(network: NetworkDefinition): Segment {
    const known = this.#segments.get(network.id);
    if (known !== undefined) return known;
    const segment = new Segment(network);
    this.#segments.set(network.id, segment);
    this.#names.addNetwork(network);
    return segment;
  }

  #forget(networkId: string): void {
    this.#segments.delete(networkId);
    this.#names.removeNetwork(networkId);
  }

  #isGateway(address: string): boolean {
    return [...this.#segments.values()].some((segment) => segment.network.pools.some((pool) => pool.gateway === address));
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === settled) this.#turns.delete(key);
    }
  }
}

/** Questions are passed on from the host's own network: a tenant's choice must not lead to what only the host can reach. */
function mayAsk(server: string): boolean {
  if (isIPv6(server)) return server !== '::1' && server !== '::' && !/^(fe[89ab]|::ffff:)/i.test(server);
  return isIPv4(server) && !/^(127\.|0\.|169\.254\.)/.test(server);
}

/** Whether this is the network's bridge; one that has no alias yet has its name from us all the same. */
function belongs(bridge: FoundBridge, network: NetworkDefinition): boolean {
  return bridge.ifname === network.bridge && (bridge.networkId === network.id || bridge.networkId === '');
}
