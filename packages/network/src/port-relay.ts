import { createSocket, type RemoteInfo, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv6, type Socket } from 'node:net';

export interface RelayTarget {
  readonly address: string;
  readonly port: number;
}

/**
 * Joins an accepted (and paused) connection with one to the container, each direction ending on its own. A container that
 * doesn't listen gives the client a reset, as it would have got one from the container itself.
 */
export function relay(client: Socket, target: RelayTarget): void {
  const server = connect({ host: target.address, port: target.port, allowHalfOpen: true, timeout: 10_000 });
  const end = () => {
    client.resetAndDestroy();
    server.destroy();
  };
  server.once('timeout', end);
  server.once('error', end);
  client.once('error', () => server.resetAndDestroy());
  client.once('close', () => server.destroy());
  server.once('close', () => client.destroy());
  server.once('connect', () => {
    server.setTimeout(0);
    client.pipe(server);
    server.pipe(client);
    client.resume();
  });
}

const flowIdleMs = 60_000;
const flowLimit = 256;

/** Relays datagrams: each client address gets a socket of its own towards the container, until it has been idle. */
export class DatagramRelay {
  readonly #outside: DatagramSocket;
  readonly #target: RelayTarget;
  readonly #flows = new Map<string, { socket: DatagramSocket; timer: NodeJS.Timeout }>();

  constructor(outside: DatagramSocket, target: RelayTarget) {
    this.#outside = outside;
    this.#target = target;
  }

  take(data: Buffer, from: RemoteInfo): void {
    // A datagram may come from port 0, to which nothing can be sent.
    if (from.port === 0) return;
    const key = `${from.address} ${from.port}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      if (this.#flows.size >= flowLimit) return;
      const socket = createSocket(isIPv6(this.#target.address) ? 'udp6' : 'udp4');
      socket.on('error', () => this.#end(key));
      socket.on('message', (answer) => {
        this.#flows.get(key)?.timer.refresh();
        this.#outside.send(answer, from.port, from.address, () => undefined);
      });
      flow = { socket, timer: setTimeout(() => this.#end(key), flowIdleMs).unref() };
      this.#flows.set(key, flow);
    }
    flow.timer.refresh();
    flow.socket.send(data, this.#target.port, this.#target.address, () => undefined);
  }

  close(): void {
    for (const key of [...this.#flows.keys()]) this.#end(key);
  }

  #end(key: string): void {
    const flow = this.#flows.get(key);
    if (flow === undefined) return;
    this.#flows.delete(key);
    clearTimeout(flow.timer);
    flow.socket.close();
  }
}
