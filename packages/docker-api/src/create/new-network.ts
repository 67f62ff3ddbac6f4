import type { CreateNetworkRequest } from '@berth/docker-wire';
import type { NewNetwork } from '@berth/engine';
import { Fault } from '@berth/kit';
import { cannotBe, invalid, notYet } from '../faults.ts';
import { bridgeOptions } from './bridge-options.ts';

/** What `docker network create` says. Faults with Docker's sentences where Docker refuses, 501 where Berth does. */
export function newNetwork(body: CreateNetworkRequest): NewNetwork {
  if (body.Name.trim() === '') throw invalid('name-invalid', 'invalid network name: name is empty');
  const driver = checkedDriver(body.Driver);
  if (body.ConfigOnly || (body.ConfigFrom?.Network ?? '') !== '') throw notYet('--config-only and --config-from are');
  // As a daemon outside a swarm answers.
  if (body.Scope === 'swarm') throw new Fault('forbidden', 'scope-swarm', 'cannot create a swarm scoped network when swarm is not active');
  if (body.Ingress) throw new Fault('forbidden', 'ingress', 'Ingress network can only be global scope network');
  if (body.Scope !== '' && body.Scope !== 'local') throw notYet(`--scope ${body.Scope} is`, 'networks are local');
  if (body.EnableIPv4 === false) throw notYet('A network without IPv4 is');
  const pools = body.IPAM?.Config ?? [];
  if (pools.filter(({ Subnet }) => !Subnet.includes(':')).length > 1) {
    throw new Fault('forbidden', 'subnets-many', "bridge driver doesn't support multiple subnets");
  }
  const ipamDriver = body.IPAM?.Driver ?? '';
  if (ipamDriver !== '' && ipamDriver !== 'default') throw new Fault('not-found', 'driver-unknown', `plugin "${ipamDriver}" not found`);
  return {
    name: body.Name,
    driver,
    internal: body.Internal,
    attachable: body.Attachable,
    enableIpv6: body.EnableIPv6 === true,
    pools: pools.map((pool) => ({
      ...(pool.Subnet === '' ? {} : { subnet: pool.Subnet }),
      ...(pool.Gateway === '' ? {} : { gateway: pool.Gateway }),
      ...(pool.IPRange === '' ? {} : { range: pool.IPRange }),
      ...(Object.keys(pool.AuxiliaryAddresses).length === 0 ? {} : { reserved: pool.AuxiliaryAddresses }),
    })),
    ipamDriver: 'default',
    ipamOptions: body.IPAM?.Options ?? {},
    options: bridgeOptions(body.Options),
    labels: body.Labels,
  };
}

function checkedDriver(wanted: string): string {
  const driver = wanted === '' || wanted === 'default' ? 'bridge' : wanted;
  if (driver === 'host' || driver === 'null') {
    throw new Fault('forbidden', 'driver-single', `only one instance of "${driver}" network is allowed`);
  }
  if (driver === 'overlay') {
    const sentence = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
    throw new Fault('unavailable', 'no-swarm', sentence);
  }
  if (driver === 'macvlan' || driver === 'ipvlan') {
    throw cannotBe(
      `The network driver ${driver}`,
      "it would put containers on a link of the host's, past the firewall between networks; the driver bridge is there",
    );
  }
  if (driver !== 'bridge') throw new Fault('not-found', 'driver-unknown', `plugin "${driver}" not found`);
  return driver;
}
