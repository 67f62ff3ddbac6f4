import type { EndpointSettings } from './container.ts';
import type { Deps } from './deps.ts';
import { addressNeedsSubnet, addressNotOnDefault, aliasesOnDefault, alreadyConnected, containerNetwork, hostNetwork, privateNetwork } from './faults.ts';
import type { NetworkRequest } from './port.ts';

/** Checks what is asked for on one network. Faults: `network-not-found`, and Docker's rules for addresses and aliases. */
export function resolveRequest(deps: Deps, request: NetworkRequest): EndpointSettings {
  if (request.network === 'host') throw hostNetwork();
  if (request.network.startsWith('container:')) throw containerNetwork();
  const network = deps.networks.find(request.network);
  if (request.ipv4 !== undefined && request.ipv4 !== '') {
    if (network.predefined) throw addressNotOnDefault();
    if (!network.userSubnet) throw addressNeedsSubnet();
  }
  if (request.aliases.length > 0 && network.predefined) throw aliasesOnDefault();
  return {
    networkId: network.id,
    aliases: request.aliases,
    ...(request.ipv4 === undefined || request.ipv4 === '' ? {} : { requestedIpv4: request.ipv4 }),
    ...(request.mac === undefined || request.mac === '' ? {} : { requestedMac: request.mac }),
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
