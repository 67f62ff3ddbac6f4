import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import type { StoredNetwork } from './network-table.ts';
import { isAlive } from './lifecycle.ts';
import type { ContainerView, EndpointView, NetworkView } from './port.ts';

export function containerView(deps: Deps, container: Container): ContainerView {
  return {
    definition: container.definition,
    state: container.state,
    endpoints: container.endpoints.map((settings): EndpointView => {
      const { endpoint, aliases, requestedIpv4, requestedIpv6, networkId, links = [], gatewayPriority = 0 } = settings;
      return {
        ...(endpoint ?? {
          endpointId: '',
          networkId,
          containerId: container.id,
          ipv4: { address: '', prefix: 0 },
          mac: settings.requestedMac ?? '',
          gateway: '',
          names: [],
        }),
        networkName: deps.networks.byId(networkId)?.name ?? networkId,
        aliases,
        ...(requestedIpv4 === undefined ? {} : { requestedIpv4 }),
        ...(requestedIpv6 === undefined ? {} : { requestedIpv6 }),
        links,
        gatewayPriority,
        active: endpoint !== undefined && isAlive(container.state.phase),
      };
    }),
    publications: container.publications,
    restartCount: container.restartCount,
    ...(container.health === undefined || container.definition.health === undefined ? {} : { health: container.health }),
    execIds: [...container.execs.values()].filter((exec) => exec.endedAtMs === undefined).map((exec) => exec.id),
    logPath: container.log.path,
  };
}

/** With the endpoints of the containers that run; those are the ones a network inspection lists. */
export function networkView(deps: Deps, network: StoredNetwork): NetworkView {
  const { userSubnet: _userSubnet, predefined: _predefined, ...rest } = network;
  return {
    ...rest,
    endpoints: deps.registry
      .all()
      .flatMap((container) =>
        container.endpoints.flatMap(({ endpoint }) => (endpoint?.networkId === network.id ? [{ ...endpoint, containerName: container.name }] : [])),
      ),
  };
}
