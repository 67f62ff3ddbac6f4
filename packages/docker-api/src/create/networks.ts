import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { CreateContainerRequest, EndpointRequest, HostConfigRequest } from '@berth/docker-wire';
import { parseContainerPorts, parseHostPort, portKey } from '@berth/docker-wire';
import type { NetworkRequest } from '@berth/engine';
import type { PortRequest } from '@berth/network';
import { invalid, notYet } from '../faults.ts';
import { parseLink } from './links.ts';
import { modeNetwork } from './network-mode.ts';

/** Networks to join, the one of `NetworkMode` first. Faults: those of `checkMode`, and Docker's sentences for what an endpoint cannot have. */
export function networksFor(request: CreateContainerRequest, host: HostConfigRequest, minor: number): NetworkRequest[] {
  const mode = request.NetworkDisabled ? 'none' : modeNetwork(host.NetworkMode);
  const given = new Map<string, EndpointRequest>();
  for (const [name, endpoint] of Object.entries(request.NetworkingConfig?.EndpointsConfig ?? {})) given.set(modeNetwork(name), endpoint);
  if (minor < 44 && given.size > 1) {
    throw invalid('networks-too-many', `Container cannot be connected to network endpoints: ${[...given.keys()].sort().join(', ')}`);
  }
  if (mode === 'none') return [];
  const others = [...given.keys()].filter((name) => name !== mode && name !== 'none');
  const requests = [mode, ...others].map((name) => endpointFor(name, given.get(name)));
  if (request.MacAddress !== '' && requests[0] !== undefined && requests[0].mac === undefined) {
    requests[0] = { ...requests[0], mac: checkedMac(request.MacAddress) };
  }
  return requests;
}

/** One endpoint's wishes. Faults with Docker's sentences. */
export function endpointFor(network: string, endpoint: EndpointRequest | undefined): NetworkRequest {
  if (endpoint === undefined) return { network, aliases: [] };
  if (Object.keys(endpoint.DriverOpts).length > 0) throw notYet('--driver-opt of an endpoint is');
  const { IPv4Address: ipv4 = '', IPv6Address: ipv6 = '', LinkLocalIPs = [] } = endpoint.IPAMConfig ?? {};
  if (LinkLocalIPs.length > 0) throw notYet('--link-local-ip is');
  if (ipv4 !== '' && !isIPv4(ipv4)) throw invalid('address-invalid', `invalid IPv4 address: ${ipv4}`);
  if (ipv6 !== '' && !isIPv6(ipv6)) throw invalid('address-invalid', `invalid IPv6 address: ${ipv6}`);
  if (ipv4 + ipv6 !== '' && network === 'bridge') {
    throw invalid('address-on-default', 'user specified IP address is supported on user defined networks only');
  }
  if (endpoint.Aliases.length > 0 && network === 'bridge') {
    throw invalid('alias-on-default', 'network-scoped aliases are only supported for user-defined networks');
  }
  return {
    network,
    aliases: [...new Set(endpoint.Aliases)],
    ...(ipv4 === '' ? {} : { ipv4 }),
    ...(ipv6 === '' ? {} : { ipv6 }),
    ...(endpoint.MacAddress === '' ? {} : { mac: checkedMac(endpoint.MacAddress) }),
    ...(endpoint.Links.length === 0 || network === 'bridge' ? {} : { links: endpoint.Links.map(parseLink) }),
    ...(endpoint.GwPriority === 0 ? {} : { gatewayPriority: endpoint.GwPriority }),
  };
}

function checkedMac(mac: string): string {
  const plain = mac.toLowerCase().replaceAll('-', ':');
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(plain)) throw invalid('mac-invalid', `invalid MAC address: ${mac}`);
  return plain;
}

/** Ports to publish: the bindings, and with -P each exposed port without one. Fault `port-invalid`. */
export function portsFor(
  host: Pick<HostConfigRequest, 'PortBindings' | 'PublishAllPorts'>,
  exposed: readonly string[],
): { requests: PortRequest[]; exposed: string[] } {
  const requests: PortRequest[] = [];
  const bound = new Set<string>();
  const all = new Set<string>();
  for (const text of exposed) for (const port of parseContainerPorts(text)) all.add(portKey(port));
  for (const [key, bindings] of Object.entries(host.PortBindings)) {
    for (const port of parseContainerPorts(key)) {
      if (port.protocol === 'sctp') throw notYet('Publishing sctp ports is', 'tcp and udp are');
      const { port: containerPort, protocol } = port;
      if (containerPort === 0) throw invalid('port-invalid', `invalid port specification: "${key}"`);
      all.add(portKey(port));
      bound.add(portKey(port));
      // A port with an empty list of bindings is one to be published anywhere.
      for (const binding of bindings.length === 0 ? [{ HostIp: '', HostPort: '' }] : bindings) {
        if (binding.HostIp !== '' && isIP(binding.HostIp) === 0) throw invalid('port-invalid', `invalid IP address: ${binding.HostIp}`);
        const { first, last } = parseHostPort(binding.HostPort);
        const hostAddress = binding.HostIp;
        requests.push({ protocol, containerPort, hostAddress, hostPortFirst: first, hostPortLast: last });
      }
    }
  }
  if (host.PublishAllPorts) {
    for (const key of all) {
      if (bound.has(key)) continue;
      for (const { port: containerPort, protocol } of parseContainerPorts(key)) {
        if (protocol === 'sctp') throw notYet('Publishing sctp ports is', 'tcp and udp are');
        requests.push({ protocol, containerPort, hostAddress: '', hostPortFirst: 0, hostPortLast: 0 });
      }
    }
  }
  return { requests, exposed: [...all] };
}

/** `name:address` lines. `gateway` stands in for the address `host-gateway`. Faults in Docker's words. */
export function extraHostsFor(hosts: readonly string[], gateway: () => string | undefined): string[] {
  return hosts.map((entry) => {
    const at = entry.search(/[:=]/);
    const name = at < 0 ? '' : entry.slice(0, at);
    const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
    if (name === '') throw invalid('host-invalid', `bad format for add-host: "${entry}"`);
    if (address === 'host-gateway') {
      const found = gateway();
      if (found === undefined) throw invalid('host-invalid', 'unable to derive the IP value for host-gateway');
      return `${name}:${found}`;
    }
    if (isIP(address) === 0) throw invalid('host-invalid', `invalid IP address in add-host: "${address}"`);
    return `${name}:${address}`;
  });
}

/** Checks `--dns` addresses. */
export function dnsServers(servers: readonly string[]): readonly string[] {
  for (const server of servers) {
    if (isIP(server) === 0) throw invalid('dns-invalid', `IP address is not correctly formatted: ${server}`);
  }
  return servers;
}
