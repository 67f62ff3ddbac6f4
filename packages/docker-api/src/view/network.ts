import { rfc3339 } from '@berth/docker-wire';
import type { Engine, NetworkView } from '@berth/engine';
import { isRunning } from './container-inspect.ts';

/** Networks every VCH has. */
export function isPredefined(network: Pick<NetworkView, 'isDefault' | 'driver'>): boolean {
  return network.isDefault || network.driver === 'none';
}

/** `docker network inspect` and, without containers, `docker network ls`. */
export function networkView(network: NetworkView, minor: number, engine: Engine, withContainers: boolean): Record<string, unknown> {
  return {
    Name: network.name,
    Id: network.id,
    Created: rfc3339(network.createdAtMs),
    Scope: 'local',
    Driver: network.driver === 'none' ? 'null' : network.driver,
    ...(minor >= 48 ? { EnableIPv4: network.driver !== 'none' } : {}),
    EnableIPv6: network.enableIpv6,
    IPAM: {
      Driver: network.ipamDriver || 'default',
      Options: Object.keys(network.ipamOptions).length === 0 && isPredefined(network) ? null : network.ipamOptions,
      Config:
        network.driver === 'none'
          ? []
          : network.pools.map((pool) => ({
              Subnet: pool.subnet,
              ...(pool.range === undefined ? {} : { IPRange: pool.range }),
              Gateway: pool.gateway,
              ...(pool.reserved === undefined ? {} : { AuxiliaryAddresses: pool.reserved }),
            })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: withContainers ? containers(network, engine) : {},
    Options: network.options,
    Labels: network.labels,
  };
}

/** Only running containers are on the wire. */
function containers(network: NetworkView, engine: Engine): Record<string, unknown> {
  const running = new Set(
    engine
      .containers()
      .filter(isRunning)
      .map((view) => view.definition.id),
  );
  return Object.fromEntries(
    network.endpoints
      .filter((endpoint) => running.has(endpoint.containerId))
      .map((endpoint) => [
        endpoint.containerId,
        {
          Name: endpoint.containerName,
          EndpointID: endpoint.endpointId,
          MacAddress: endpoint.mac,
          IPv4Address: `${endpoint.ipv4.address}/${endpoint.ipv4.prefix}`,
          IPv6Address: endpoint.ipv6 === undefined ? '' : `${endpoint.ipv6.address}/${endpoint.ipv6.prefix}`,
        },
      ]),
  );
}
