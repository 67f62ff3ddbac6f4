import { newId, shortId } from '@berth/kit';
import type { EndpointDefinition, PortPublication } from '@berth/network';
import type { ContainerSpec, NicSpec } from '@berth/runtime';
import type { Container, EndpointSettings } from './container.ts';
import type { Deps } from './deps.ts';
import { networkNotFound } from './faults.ts';
import { hostsFile } from './hosts-file.ts';
import { hostsOfLinks, linkedNames } from './links.ts';
import type { StoredNetwork } from './network-table.ts';
import type { Link } from './port.ts';

export interface ActiveEndpoint {
  readonly network: StoredNetwork;
  readonly endpoint: EndpointDefinition;
  /** Name of its link inside the container; `''` without one. */
  readonly nic: string;
  readonly links: readonly Link[];
  readonly gatewayPriority: number;
}

/** The names a container answers to on a network; none on the default one, as in Docker. */
export function endpointNames(container: Container, network: StoredNetwork, aliases: readonly string[]): string[] {
  if (network.isDefault || network.driver === 'none') return [];
  const { name, id, hostname } = container.definition;
  return [...new Set([name, ...aliases, shortId(id), hostname].map((word) => word.toLowerCase()))];
}

/**
 * Gives the container an address on the network, and the first link name that `others` leave free; in memory only. Faults
 * as `Networking.allocate`.
 */
export function allocate(deps: Deps, container: Container, settings: EndpointSettings, others: readonly EndpointSettings[]): EndpointSettings {
  const network = deps.networks.byId(settings.networkId);
  if (network === undefined) throw networkNotFound(settings.networkId);
  const endpoint =
    network.driver === 'none'
      ? { endpointId: newId(), networkId: network.id, containerId: container.id, ipv4: { address: '', prefix: 0 }, mac: '', gateway: '', names: [] }
      : deps.networking.allocate(network, {
          containerId: container.id,
          names: endpointNames(container, network, settings.aliases),
          ...(settings.requestedIpv4 === undefined ? {} : { ipv4: settings.requestedIpv4 }),
          ...(settings.requestedIpv6 === undefined ? {} : { ipv6: settings.requestedIpv6 }),
          ...(settings.requestedMac === undefined ? {} : { mac: settings.requestedMac }),
        });
  if (network.driver === 'none') return { ...settings, endpoint };
  const prefix = network.options['com.docker.network.container_iface_prefix'] ?? 'eth';
  let index = 0;
  while (others.some(({ nic }) => nic === `${prefix}${index}`)) index += 1;
  return { ...settings, endpoint, nic: `${prefix}${index}` };
}

/** Addresses on all of the container's networks, or, with the fault, on none. */
export function allocateAll(deps: Deps, container: Container): EndpointSettings[] {
  const done: EndpointSettings[] = [];
  try {
    for (const settings of container.endpoints) done.push(allocate(deps, container, settings, done));
    return done;
  } catch (error) {
    for (const settings of done) free(deps, settings);
    throw error;
  }
}

export function free(deps: Deps, settings: EndpointSettings): EndpointSettings {
  const { endpoint, nic: _nic, ...rest } = settings;
  if (endpoint !== undefined && endpoint.mac !== '') {
    deps.networking.withdraw(endpoint);
    deps.networking.release(endpoint);
  }
  return rest;
}

/** The container's endpoints that are in use, in the order in which they became NICs. */
export function active(deps: Deps, container: Container): ActiveEndpoint[] {
  return container.endpoints.flatMap(({ networkId, endpoint, nic = '', links = [], gatewayPriority = 0 }) => {
    const network = deps.networks.byId(networkId);
    return network === undefined || endpoint === undefined ? [] : [{ network, endpoint, nic, links, gatewayPriority }];
  });
}

/** Those with a link: all but `none`. */
export function linked(deps: Deps, container: Container): ActiveEndpoint[] {
  return active(deps, container).filter(({ network }) => network.driver === 'bridge');
}

/**
 * The network that leads out: the default route goes through it, and published ports come in there. Docker's choice: the
 * highest priority, then the first by name.
 */
export function wayOut(deps: Deps, container: Container): ActiveEndpoint | undefined {
  const [first] = linked(deps, container)
    .filter(({ network }) => !network.internal)
    .sort((one, other) => other.gatewayPriority - one.gatewayPriority || (one.network.name < other.network.name ? -1 : 1));
  return first;
}

export function nics(deps: Deps, container: Container): NicSpec[] {
  const gateway = wayOut(deps, container)?.endpoint;
  return linked(deps, container).map((one) => deps.networking.nic(one.network, one.endpoint, one.nic, one.endpoint === gateway));
}

/** Makes the names resolvable and the name-server choices known; called when the container is about to run. */
export function announce(deps: Deps, container: Container): void {
  for (const one of linked(deps, container)) announceOne(deps, container, one);
}

export function announceOne(deps: Deps, container: Container, { endpoint, links }: Pick<ActiveEndpoint, 'endpoint' | 'links'>): void {
  if (links.length > 0) deps.networking.setLinks(endpoint, linkedNames(deps, links));
  if (container.definition.dns.length > 0) deps.networking.setUpstreams(endpoint, container.definition.dns);
  deps.networking.announce(endpoint);
}

/** Publishes the container's ports at its way out; nothing without ports or such a way. */
export async function publish(deps: Deps, container: Container, preferred: readonly PortPublication[] = []): Promise<readonly PortPublication[]> {
  const { ports } = container.definition;
  const target = wayOut(deps, container);
  if (ports.length === 0 || target === undefined) return [];
  const { ipv4, ipv6 } = target.endpoint;
  const addresses = { ipv4: ipv4.address, ...(ipv6 === undefined ? {} : { ipv6: ipv6.address }) };
  // The network may have an address for ports that were published without one.
  const binding = target.network.options['com.docker.network.bridge.host_binding_ipv4'] ?? '';
  const requests = ports.map((port) => (port.hostAddress === '' && !isEvery(binding) ? { ...port, hostAddress: binding } : port));
  return await deps.networking.publish(container.id, addresses, requests, preferred);
}

const isEvery = (address: string) => address === '' || address === '0.0.0.0';

/** The files that Docker manages inside a container, for its present networks. */
export function managedFiles(deps: Deps, container: Container): ContainerSpec['files'] {
  const { definition } = container;
  const endpoints = linked(deps, container).map(({ endpoint }) => endpoint);
  return {
    hosts: hostsFile({
      hostname: definition.hostname,
      domainname: definition.domainname,
      addresses: endpoints.flatMap(({ ipv4, ipv6 }) => (ipv6 === undefined ? [ipv4.address] : [ipv4.address, ipv6.address])),
      extraHosts: definition.extraHosts,
      links: hostsOfLinks(deps, container),
      hostGateway: endpoints[0]?.gateway,
    }),
    hostname: `${definition.hostname}\n`,
    resolvConf: deps.networking.resolvConf(endpoints[0], { dns: definition.dns, search: definition.dnsSearch, options: definition.dnsOptions }),
  };
}
