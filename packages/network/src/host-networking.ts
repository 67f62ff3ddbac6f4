import { Fault } from '@berth/kit';
import type { NicSpec } from '@berth/runtime';
import type { AddressPool, EndpointDefinition, NetworkDefinition, Networking, PortPublication, PortRequest } from './port.ts';

/** Where this package tells what it did and what went wrong; pino's shape. */
export interface NetworkLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface HostNetworkingDependencies {
  /** Begins the name of every link and table made here: 1 to 6 of `a-z0-9`, first a letter. */
  readonly prefix: string;
  /** For rule files handed to nft; made when it doesn't exist. */
  readonly runDirectory: string;
  /** Name servers questions are forwarded to; absent: those of the host's /etc/resolv.conf. */
  readonly upstreams?: readonly string[];
  readonly log: NetworkLog;
}

function notYet(what: string): never {
  throw new Fault('unsupported', 'networking-unsupported', `${what} is not available yet`);
}

/** Networking on this host: Linux bridges, nftables and a resolver of its own. */
export class HostNetworking implements Networking {
  static async open(_dependencies: HostNetworkingDependencies, _options: { signal: AbortSignal }): Promise<HostNetworking> {
    return new HostNetworking();
  }

  plan(
    _request: Omit<NetworkDefinition, 'bridge' | 'pools'> & { readonly pools: readonly Partial<AddressPool>[] },
    _existing: readonly NetworkDefinition[],
  ): NetworkDefinition {
    return notYet('plan');
  }
  async create(_network: NetworkDefinition): Promise<void> {}
  async remove(_network: NetworkDefinition): Promise<void> {}
  allocate(_network: NetworkDefinition, _request: { containerId: string; ipv4?: string; mac?: string; names: readonly string[] }): EndpointDefinition {
    return notYet('allocate');
  }
  async restore(_networks: readonly NetworkDefinition[], _endpoints: readonly EndpointDefinition[]): Promise<void> {}
  release(_endpoint: EndpointDefinition): void {}
  announce(_endpoint: EndpointDefinition): void {}
  withdraw(_endpoint: EndpointDefinition): void {}
  nic(_network: NetworkDefinition, _endpoint: EndpointDefinition, _name: string, _isGateway: boolean): NicSpec {
    return notYet('nic');
  }
  async publish(_containerId: string, _containerAddress: string, _requests: readonly PortRequest[], _preferred?: readonly PortPublication[]): Promise<PortPublication[]> {
    return notYet('publish');
  }
  async unpublish(_containerId: string): Promise<void> {}
  setUpstreams(_endpoint: EndpointDefinition, _servers: readonly string[]): void {}
  resolvConf(_endpoint: EndpointDefinition | undefined, _options: { dns: readonly string[]; search: readonly string[]; options: readonly string[] }): string {
    return notYet('resolvConf');
  }
  async sweep(_networks: readonly NetworkDefinition[]): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}
