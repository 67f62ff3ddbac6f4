import type { EndpointSettings } from './container.ts';
import type { Deps } from './deps.ts';
import { addressNeedsSubnet, addressNotOnDefault, aliasesOnDefault, alreadyConnected, containerNetwork, hostNetwork, privateNetwork } from './faults.ts';
import type { NetworkRequest } from './port.ts';

/** Checks what is asked for on one network. Faults: `network-not-found`, and Docker's rules for addresses and aliases. */
export function resolveRequest(deps: Deps, request: NetworkRequest): EndpointSettings {
  if (request.network === 'host') throw hostNetwork();
  if (request.network.startsWith('container:')) throw containerNetwork();
  const network = deps.networks.find(request.network);
  const given = (text: string | undefined) => (text === '' ? undefined : text);
  const [ipv4, ipv6, mac] = [given(request.ipv4), given(request.ipv6), given(request.mac)];
  if (ipv4 !== undefined || ipv6 !== undefined) {
    if (network.predefined) throw addressNotOnDefault();
    if (!network.userSubnet) throw addressNeedsSubnet();
  }
  if (request.aliases.length > 0 && network.predefined) throw aliasesOnDefault();
  return {
    networkId: network.id,
    aliases: request.aliases,
    ...(ipv4 === undefined ? {} : { requestedIpv4: ipv4 }),
    ...(ipv6 === undefined ? {} : { requestedIpv6: ipv6 }),
    ...(mac === undefined ? {} : { requestedMac: mac }),
    ...(request.links === undefined || request.links.length === 0 ? {} : { links: request.links }),
    ...(request.gatewayPriority === undefined || request.gatewayPriority === 0 ? {} : { gatewayPriority: request.gatewayPriority }),
  };
}

export function resolveRequests(deps: Deps, requests: readonly NetworkRequest[]): EndpointSettings[] {
  const resolved = (requests.length === 0 ? [{ network: 'none', aliases: [] }] : requests).map((request) => resolveRequest(deps, request));
  const networks = resolved.map(({ networkId }) => deps.networks.byId(networkId));
  if (resolved.length > 1 && networks.some((network) => network?.driver === 'none')) throw privateNetwork();
  for (const [index, { networkId }] of resolved.entries()) {
    if (resolved.findIndex((other) => other.networkId === networkId) !== index) throw alreadyConnected('container', networks[index]?.name ?? networkId);
  }
  return resolved;
}
