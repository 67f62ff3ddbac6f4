import { createSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { networkFault } from './faults.ts';
import type { ContainerAddresses } from './port.ts';
import { DatagramRelay, relay, type RelayTarget } from './port-relay.ts';

export interface Reservation {
  readonly protocol: 'tcp' | 'udp';
  /** `''`: all addresses. */
  readonly hostAddress: string;
  readonly hostPort: number;
  /** Sockets held; 0 when another program had the port at the time of adoption. */
  readonly held: number;
  close(): Promise<void>;
}

/** Of one port: the relay must not use up the daemon's descriptors. What the firewall translates knows no such limit. */
const connectionLimit = 512;

interface Target extends ContainerAddresses {
  readonly port: number;
}

/** The addresses a socket must be bound to: `''` means IPv4 and, where the host has it, IPv6. */
function bindAddresses(hostAddress: string): { address: string; optional: boolean }[] {
  if (hostAddress !== '') return [{ address: hostAddress, optional: false }];
  return [
    { address: '0.0.0.0', optional: false },
    { address: '::', optional: true },
  ];
}

/**
 * Holds a host port by really binding it, so that another program can neither take it unnoticed nor be robbed of it.
 * Connections that the firewall doesn't translate (IPv6 to a container without it, `::1`, a container to itself) arrive at
 * the socket and are relayed to the container.
 * Faults: `port-in-use` (a foreign program has it), `address-unavailable`.
 */
export async function reserve(protocol: 'tcp' | 'udp', hostAddress: string, hostPort: number, target: Target): Promise<Reservation> {
  const open: (() => Promise<void>)[] = [];
  const close = async () => {
    await Promise.all(open.splice(0).map((end) => end()));
  };
  try {
    for (const { address, optional } of bindAddresses(hostAddress)) {
      try {
        const to = { address: isIPv6(address) ? (target.ipv6 ?? target.ipv4) : target.ipv4, port: target.port };
        open.push(protocol === 'tcp' ? await listen(address, hostPort, to) : await bind(address, hostPort, to));
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        // A host without IPv6 has nothing to reserve there.
        if (optional && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' || code === 'EINVAL')) continue;
        throw fault(protocol, address, hostPort, error);
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { protocol, hostAddress, hostPort, held: open.length, close };
}

function fault(protocol: 'tcp' | 'udp', address: string, port: number, error: unknown): unknown {
  const v6 = isIPv6(address);
  const transport = `${protocol}${v6 ? 6 : 4}`;
  const socket = v6 ? `[${address}]:${port}` : `${address}:${port}`;
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return networkFault.portForeign(transport, socket, 'address already in use');
    case 'EACCES':
      return networkFault.portForeign(transport, socket, 'permission denied');
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return networkFault.hostAddressUnavailable(transport, socket);
    default:
      return error;
  }
}

function listen(address: string, port: number, target: RelayTarget): Promise<() => Promise<void>> {
  const connections = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    relay(socket, target);
  });
  server.maxConnections = connectionLimit;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: true, exclusive: true }, () => {
      server.removeListener('error', reject);
      server.on('error', () => undefined);
      resolve(
        () =>
          new Promise<void>((done) => {
            server.close(() => done());
            for (const socket of connections) socket.destroy();
          }),
      );
    });
  });
}

function bind(address: string, port: number, target: RelayTarget): Promise<() => Promise<void>> {
  const v6 = isIPv6(address);
  const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6 });
  const flows = new DatagramRelay(socket, target);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeListener('error', reject);
      socket.on('error', () => undefined);
      socket.on('message', (data, from) => flows.take(data, from));
      resolve(
        () =>
          new Promise<void>((done) => {
            flows.close();
            socket.close(() => done());
          }),
      );
    });
  });
}
