import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { isFault } from '@berth/kit';
import { formatAddress, parseAddress } from './addresses.ts';
import { networkFault } from './faults.ts';
import type { Element, Firewall } from './firewall.ts';
import { Flows } from './flows.ts';
import type { NetworkLog } from './log.ts';
import type { ContainerAddresses, PortPublication, PortRequest } from './port.ts';
import { protocolNumber } from './protocol.ts';
import { reserve, type Reservation } from './port-reservation.ts';

interface Published {
  readonly containerId: string;
  readonly container: ContainerAddresses;
  readonly publications: readonly PortPublication[];
  readonly reservations: readonly Reservation[];
  readonly elements: readonly Element[];
}

/**
 * Host ports that lead to containers. A publication is one element of the firewall's maps, which stays in force while no
 * daemon runs, and one bound socket, which does not.
 */
export class PublishedPorts {
  readonly #firewall: Firewall;
  readonly #log: NetworkLog;
  readonly #flows: Flows;
  readonly #published = new Map<string, Published>();
  /** `tcp 8080` to the host addresses (and owners) that have it; entered before anything is awaited. */
  readonly #claimed = new Map<string, Map<string, string>>();
  #nextEphemeral = 0;

  constructor(firewall: Firewall, log: NetworkLog) {
    this.#firewall = firewall;
    this.#log = log;
    this.#flows = new Flows(log);
  }

  /** See `Networking.publish`. */
  async publish(
    containerId: string,
    container: ContainerAddresses,
    requests: readonly PortRequest[],
    preferred: readonly PortPublication[],
  ): Promise<PortPublication[]> {
    const before = this.#published.get(containerId);
    if (before !== undefined) {
      if (before.container.ipv4 === container.ipv4 && before.container.ipv6 === container.ipv6 && satisfied(requests, before.publications))
        return [...before.publications];
      await this.unpublish(containerId);
    }
    if (requests.length === 0) return [];
    const adopting = this.#firewall.elements().some((element) => element.comment === containerId);
    const wishes = [...preferred];
    const publications: PortPublication[] = [];
    const reservations: Reservation[] = [];
    try {
      for (const request of requests) {
        const index = wishes.findIndex((wish) => matches(request, wish));
        const wish = index < 0 ? undefined : wishes.splice(index, 1)[0];
        const reservation = await this.#choose(containerId, container, request, wish?.hostPort, adopting);
        reservations.push(reservation);
        publications.push({
          protocol: request.protocol,
          containerPort: request.containerPort,
          hostAddress: request.hostAddress,
          hostPort: reservation.hostPort,
        });
      }
      const elements = publications.flatMap((publication) => elementsOf(containerId, container, publication));
      const stale = this.#firewall.elements().filter((element) => element.comment === containerId);
      await this.#firewall.change({ remove: stale, add: elements });
      // Datagrams that came before the port was published keep their untranslated flow as long as they keep coming.
      const ports = new Set(publications.filter((publication) => publication.protocol === 'udp').map((publication) => publication.hostPort));
      if (ports.size > 0) await this.#flows.forget((connection) => connection.protocol === protocolNumber.udp && ports.has(connection.destinationPort));
      this.#published.set(containerId, { containerId, container, publications, reservations, elements });
      return publications;
    } catch (error) {
      for (const reservation of reservations) this.#disclaim(reservation.protocol, reservation.hostAddress, reservation.hostPort);
      await Promise.all(reservations.map((reservation) => reservation.close()));
      throw error;
    }
  }

  /** Also for a container that an earlier daemon published: the firewall knows whose its elements are. */
  async unpublish(containerId: string): Promise<void> {
    const published = this.#published.get(containerId);
    this.#published.delete(containerId);
    const remove = this.#firewall.elements().filter((element) => element.comment === containerId);
    try {
      if (remove.length > 0) await this.#firewall.change({ remove });
      // Flows that were translated already don't ask the maps again: they would go on to whoever gets the address next.
      const targets = new Set(remove.flatMap((element) => element.value?.split(' ')[0] ?? []));
      if (targets.size > 0) await this.#flows.forget((connection) => targets.has(connection.replySource) && connection.destination !== connection.replySource);
    } finally {
      for (const reservation of published?.reservations ?? []) {
        await reservation.close();
        this.#disclaim(reservation.protocol, reservation.hostAddress, reservation.hostPort);
      }
    }
  }

  /** Lets the sockets go and leaves the rules, so that containers stay reachable without a daemon. */
  async close(): Promise<void> {
    const reservations = [...this.#published.values()].flatMap((published) => published.reservations);
    this.#published.clear();
    this.#claimed.clear();
    await Promise.all(reservations.map((reservation) => reservation.close()));
  }

  async #choose(containerId: string, container: ContainerAddresses, request: PortRequest, wish: number | undefined, adopting: boolean): Promise<Reservation> {
    const { protocol, hostAddress } = request;
    if (hostAddress !== '' && !isIPv4(hostAddress) && !isIPv6(hostAddress)) throw networkFault.hostAddressInvalid(hostAddress);
    const target = { ...container, port: request.containerPort };
    const any = request.hostPortFirst === 0 && request.hostPortLast === 0;
    const single = !any && request.hostPortFirst === request.hostPortLast;
    let last: unknown;
    for (const port of this.#candidates(request, wish)) {
      if (!this.#claim(containerId, protocol, hostAddress, port)) {
        if (single) throw networkFault.portInUse(hostAddress, port);
        continue;
      }
      try {
        return await reserve(protocol, hostAddress, port, target);
      } catch (error) {
        if (adopting && port === wish && isFault(error)) {
          // The rules have been forwarding all the time and still do; the other program gets none of the traffic.
          this.#log.warn({ containerId, port, error: error.message }, 'a published port could not be reserved again');
          return { protocol, hostAddress, hostPort: port, held: 0, close: async () => undefined };
        }
        this.#disclaim(protocol, hostAddress, port);
        if (single || !isFault(error, 'port-in-use')) throw error;
        last = error;
      }
    }
    throw last !== undefined && !any ? last : networkFault.portsExhausted();
  }

  *#candidates(request: PortRequest, wish: number | undefined): Generator<number> {
    const { hostPortFirst: first, hostPortLast: last } = request;
    if (first === 0 && last === 0) {
      if (wish !== undefined) yield wish;
      const [low, high] = ephemeralRange();
      const count = high - low + 1;
      for (let step = 0; step < count; step++) {
        const port = low + (this.#nextEphemeral % count);
        this.#nextEphemeral = (this.#nextEphemeral + 1) % count;
        yield port;
      }
      return;
    }
    for (const port of [first, last]) if (!Number.isInteger(port) || port < 1 || port > 65_535) throw networkFault.portInvalid(port);
    if (wish !== undefined && wish >= first && wish <= last) yield wish;
    for (let port = first; port <= last; port++) if (port !== wish) yield port;
  }

  /** Synchronous: two publications in flight never pass here with the same port. */
  #claim(containerId: string, protocol: string, hostAddress: string, port: number): boolean {
    const key = `${protocol} ${port}`;
    const owners = this.#claimed.get(key) ?? new Map<string, string>();
    for (const address of owners.keys()) if (collide(address, hostAddress)) return false;
    owners.set(hostAddress, containerId);
    this.#claimed.set(key, owners);
    return true;
  }

  #disclaim(protocol: string, hostAddress: string, port: number): void {
    const key = `${protocol} ${port}`;
    const owners = this.#claimed.get(key);
    owners?.delete(hostAddress);
    if (owners?.size === 0) this.#claimed.delete(key);
  }
}

/** Whether two bound addresses cannot both have the same port. */
function collide(one: string, other: string): boolean {
  if (one === other || one === '' || other === '') return true;
  if (isIPv6(one) !== isIPv6(other)) return false;
  return one === '0.0.0.0' || other === '0.0.0.0' || one === '::' || other === '::';
}

function matches(request: PortRequest, publication: PortPublication): boolean {
  if (request.protocol !== publication.protocol || request.containerPort !== publication.containerPort) return false;
  if (request.hostAddress !== publication.hostAddress) return false;
  if (request.hostPortFirst === 0 && request.hostPortLast === 0) return true;
  return publication.hostPort >= request.hostPortFirst && publication.hostPort <= request.hostPortLast;
}

function satisfied(requests: readonly PortRequest[], publications: readonly PortPublication[]): boolean {
  return requests.length === publications.length && requests.every((request, index) => matches(request, publications[index] as PortPublication));
}

/** One address or all, of one family; nothing for what only the relay can bring there. */
function elementsOf(containerId: string, container: ContainerAddresses, publication: PortPublication): Element[] {
  const { hostAddress, hostPort, containerPort } = publication;
  const protocol = protocolNumber[publication.protocol];
  const comment = containerId;
  const elements = (address: string, suffix: '' | '6'): Element[] => {
    const value = `${address} . ${containerPort}`;
    const any = hostAddress === '' || hostAddress === '0.0.0.0' || hostAddress === '::';
    return [
      { set: `own_ports${suffix}`, key: `${address} . ${protocol} . ${hostPort}`, comment },
      any
        ? { set: `published_any${suffix}`, key: `${protocol} . ${hostPort}`, value, comment }
        : { set: `published_at${suffix}`, key: `${formatAddress(parseAddress(hostAddress) ?? 0n)} . ${protocol} . ${hostPort}`, value, comment },
    ];
  };
  return [
    ...(isIPv6(hostAddress) ? [] : elements(container.ipv4, '')),
    ...(container.ipv6 === undefined || isIPv4(hostAddress) || isRelayed(hostAddress) ? [] : elements(container.ipv6, '6')),
  ];
}

/** Addresses of the host that the kernel doesn't translate: its IPv6 loopback, and what holds on one link only. */
function isRelayed(hostAddress: string): boolean {
  return parseAddress(hostAddress) === 1n || /^fe[89ab]/i.test(hostAddress);
}

function ephemeralRange(): [number, number] {
  const [low, high] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
  return [low ?? 32_768, high ?? 60_999];
}
