import { portKey, rfc3339, parseContainerPorts } from '@berth/docker-wire';
import type { ContainerState, ContainerView, EndpointView, Engine, HealthState, Link } from '@berth/engine';
import type { PortPublication } from '@berth/network';
import { shortId } from '@berth/kit';
import type { Personality } from '../create/personality.ts';
import { mountViews } from './mount.ts';

/** `GET /containers/{id}/json` in the shape of the version asked for. */
export function inspectView(view: ContainerView, engine: Engine, minor: number, size: { rw: number; root: number } | undefined): Record<string, unknown> {
  const { definition, state } = view;
  const personality = definition.personality as unknown as Personality;
  return {
    Id: definition.id,
    Created: rfc3339(definition.createdAtMs),
    Path: definition.args[0],
    Args: definition.args.slice(1),
    State: { ...stateView(state), ...(view.health === undefined ? {} : { Health: healthView(view.health) }) },
    Image: definition.imageId,
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: view.logPath,
    Name: `/${definition.name}`,
    RestartCount: view.restartCount,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: view.execIds.length === 0 ? null : view.execIds,
    HostConfig: { ...personality.HostConfig, Links: linksView(view, engine) },
    GraphDriver: { Data: {}, Name: 'overlayfs' },
    ...(size === undefined ? {} : { SizeRw: size.rw, SizeRootFs: size.rw + size.root }),
    Mounts: mountViews(view, engine),
    Config: { ...personality.Config, Hostname: definition.hostname },
    NetworkSettings: networkSettings(view, engine, minor),
  };
}

/** `/target:/container/alias`, of those that still exist. */
function linksView({ definition }: ContainerView, engine: Engine): string[] | null {
  const names = new Map((definition.links ?? []).length === 0 ? [] : engine.containers().map((view) => [view.definition.id, view.definition.name]));
  const links = (definition.links ?? []).flatMap(({ container, alias }) => {
    const target = names.get(container);
    return target === undefined ? [] : [`/${target}:/${definition.name}/${alias}`];
  });
  return links.length === 0 ? null : links.sort();
}

function stateView(state: ContainerState): Record<string, unknown> {
  const { phase } = state;
  return {
    Status: phase,
    Running: phase === 'running' || phase === 'paused' || phase === 'restarting',
    Paused: phase === 'paused',
    Restarting: phase === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: phase === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: rfc3339(state.startedAtMs),
    FinishedAt: rfc3339(state.finishedAtMs),
  };
}

function healthView({ status, failingStreak, log }: HealthState): Record<string, unknown> {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ startedAtMs, endedAtMs, exitCode, output }) => ({
      Start: rfc3339(startedAtMs),
      End: rfc3339(endedAtMs),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

function networkSettings(view: ContainerView, engine: Engine, minor: number): Record<string, unknown> {
  const networks = endpointViews(view, engine, minor);
  const running = isRunning(view);
  const onDefault = networks['bridge'];
  return {
    Bridge: '',
    SandboxID: running ? view.definition.id : '',
    SandboxKey: '',
    Ports: running ? portMap(openPorts(view, engine), view.publications) : {},
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    // Docker repeats the default network's figures here.
    EndpointID: onDefault?.['EndpointID'] ?? '',
    Gateway: onDefault?.['Gateway'] ?? '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: onDefault?.['IPAddress'] ?? '',
    IPPrefixLen: onDefault?.['IPPrefixLen'] ?? 0,
    IPv6Gateway: '',
    MacAddress: onDefault?.['MacAddress'] ?? '',
    Networks: networks,
  };
}

/** `NetworkSettings.Networks`: what the container is on, or would join when started. */
export function endpointViews(view: ContainerView, engine: Engine, minor: number): Record<string, Record<string, unknown>> {
  const { definition } = view;
  const result: Record<string, Record<string, unknown>> = {};
  if (definition.networks.length === 0 && view.endpoints.length === 0) {
    return { none: endpointView({ networkId: networkId(engine, 'none'), aliases: [], dnsNames: [], minor }) };
  }
  for (const endpoint of view.endpoints) {
    result[endpoint.networkName] = endpointView({
      endpoint,
      networkId: endpoint.networkId,
      aliases: aliasesOf(endpoint.aliases, endpoint.networkName, view, minor),
      dnsNames: dnsNamesOf(endpoint.aliases, endpoint.networkName, view),
      ...(endpoint.requestedIpv4 === undefined ? {} : { requestedIpv4: endpoint.requestedIpv4 }),
      ...(endpoint.requestedIpv6 === undefined ? {} : { requestedIpv6: endpoint.requestedIpv6 }),
      links: endpoint.links,
      gatewayPriority: endpoint.gatewayPriority,
      minor,
    });
  }
  if (view.endpoints.length > 0) return result;
  for (const wish of definition.networks) {
    result[wish.network] = endpointView({
      networkId: networkId(engine, wish.network),
      aliases: aliasesOf(wish.aliases, wish.network, view, minor),
      dnsNames: dnsNamesOf(wish.aliases, wish.network, view),
      ...(wish.ipv4 === undefined ? {} : { requestedIpv4: wish.ipv4 }),
      ...(wish.ipv6 === undefined ? {} : { requestedIpv6: wish.ipv6 }),
      ...(wish.links === undefined ? {} : { links: wish.links }),
      ...(wish.gatewayPriority === undefined ? {} : { gatewayPriority: wish.gatewayPriority }),
      minor,
    });
  }
  return result;
}

/** Until 1.44 the short id was among the aliases; since then it is among the DNS names. */
function aliasesOf(aliases: readonly string[], network: string, view: ContainerView, minor: number): readonly string[] {
  return network === 'bridge' || minor >= 45 ? aliases : [...new Set([...aliases, shortId(view.definition.id)])];
}

function dnsNamesOf(aliases: readonly string[], network: string, view: ContainerView): readonly string[] {
  return network === 'bridge' ? [] : [...new Set([view.definition.name, ...aliases, shortId(view.definition.id), view.definition.hostname])];
}

function endpointView(from: {
  endpoint?: EndpointView;
  networkId: string;
  aliases: readonly string[];
  dnsNames: readonly string[];
  requestedIpv4?: string;
  requestedIpv6?: string;
  links?: readonly Link[];
  gatewayPriority?: number;
  minor: number;
}): Record<string, unknown> {
  const live = from.endpoint?.active === true ? from.endpoint : undefined;
  const { requestedIpv4, requestedIpv6, links = [] } = from;
  const wanted = {
    ...(requestedIpv4 === undefined ? {} : { IPv4Address: requestedIpv4 }),
    ...(requestedIpv6 === undefined ? {} : { IPv6Address: requestedIpv6 }),
  };
  return {
    IPAMConfig: Object.keys(wanted).length === 0 ? null : wanted,
    Links: links.length === 0 ? null : links.map(({ container, alias }) => `${container}:${alias}`),
    Aliases: from.aliases.length === 0 ? null : from.aliases,
    ...(from.minor >= 44 ? { MacAddress: live?.mac ?? '' } : {}),
    ...(from.minor >= 44 ? { DriverOpts: null } : {}),
    ...(from.minor >= 48 ? { GwPriority: from.gatewayPriority ?? 0 } : {}),
    NetworkID: live?.networkId ?? from.networkId,
    EndpointID: live?.endpointId ?? '',
    Gateway: live?.gateway ?? '',
    IPAddress: live?.ipv4.address ?? '',
    ...(from.minor < 44 ? { MacAddress: live?.mac ?? '' } : {}),
    IPPrefixLen: live?.ipv4.prefix ?? 0,
    IPv6Gateway: live?.ipv6Gateway ?? '',
    GlobalIPv6Address: live?.ipv6?.address ?? '',
    GlobalIPv6PrefixLen: live?.ipv6?.prefix ?? 0,
    ...(from.minor < 44 ? { DriverOpts: null } : { DNSNames: from.dnsNames.length === 0 ? null : from.dnsNames }),
  };
}

function networkId(engine: Engine, name: string): string {
  return engine.networks().find((network) => network.name === name || network.id === name)?.id ?? '';
}

export function isRunning(view: ContainerView): boolean {
  return ['running', 'paused', 'restarting'].includes(view.state.phase);
}

/** `80/tcp` keys of the ports the image or the user exposes. */
export function exposedPorts(view: ContainerView): string[] {
  const config = (view.definition.personality as unknown as Personality).Config;
  return Object.keys((config['ExposedPorts'] ?? {}) as object).flatMap((text) => parseContainerPorts(text).map(portKey));
}

/** Those of them that are shown: as in Docker none where no network could bring anybody from outside. */
export function openPorts(view: ContainerView, engine: Engine): string[] {
  const exposed = exposedPorts(view);
  if (exposed.length === 0) return exposed;
  const internal = new Set(engine.networks().flatMap((network) => (network.internal ? [network.id] : [])));
  return view.endpoints.some((endpoint) => !internal.has(endpoint.networkId)) ? exposed : [];
}

/** An empty host address is all addresses, which Docker lists once for IPv4 and once for IPv6. */
export function hostAddresses(publication: PortPublication): readonly string[] {
  return publication.hostAddress === '' ? ['0.0.0.0', '::'] : [publication.hostAddress];
}

function portMap(exposed: readonly string[], publications: readonly PortPublication[]): Record<string, unknown> {
  const result: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const key of exposed) result[key] = null;
  for (const publication of publications) {
    const key = `${publication.containerPort}/${publication.protocol}`;
    const list = result[key] ?? [];
    list.push(...hostAddresses(publication).map((HostIp) => ({ HostIp, HostPort: String(publication.hostPort) })));
    result[key] = list;
  }
  return result;
}
