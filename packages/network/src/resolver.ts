import { createSocket, type RemoteInfo, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { datagramLimit, decide, refusal, serverFailure, truncate } from './dns-answer.ts';
import type { Forwarder } from './dns-forwarder.ts';
import type { NameView } from './names.ts';

export interface ResolverDependencies {
  /** The gateway address: the only one the sockets are bound to. */
  readonly address: string;
  /** Normally 53; 0 = any, where another program has taken 53 on all addresses. */
  readonly port: number;
  readonly forwarder: Forwarder;
  /** `undefined`: the source isn't of this segment and is refused. */
  view(source: string): NameView | undefined;
}

/** Of one segment: a container that asks without end leaves the others' segments alone. */
const forwardLimit = 256;
const connectionLimit = 64;
const connectionIdleMs = 5_000;

/** The name server of one segment. Bad input costs an error answer or nothing, never the server. */
export class Resolver implements AsyncDisposable {
  readonly #dependencies: ResolverDependencies;
  readonly #datagrams: DatagramSocket;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #abort = new AbortController();
  #forwarding = 0;

  private constructor(dependencies: ResolverDependencies) {
    this.#dependencies = dependencies;
    this.#datagrams = createSocket('udp4');
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = connectionLimit;
  }

  /** Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL) when the address or port can't be had. */
  static async open(dependencies: ResolverDependencies): Promise<Resolver> {
    const resolver = new Resolver(dependencies);
    try {
      await resolver.#listen();
      return resolver;
    } catch (error) {
      await resolver[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The port of both sockets. */
  get port(): number {
    return this.#datagrams.address().port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    for (const socket of this.#connections) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => (this.#server.listening ? this.#server.close(() => resolve()) : resolve())),
      new Promise<void>((resolve) => {
        try {
          this.#datagrams.close(() => resolve());
        } catch {
          resolve();
        }
      }),
    ]);
  }

  async #listen(): Promise<void> {
    const { address, port } = this.#dependencies;
    await new Promise<void>((resolve, reject) => {
      this.#datagrams.once('error', reject);
      this.#datagrams.bind({ address, port, exclusive: true }, () => {
        this.#datagrams.removeListener('error', reject);
        this.#datagrams.on('error', () => undefined);
        resolve();
      });
    });
    // A datagram may come from port 0, to which nothing can be sent.
    this.#datagrams.on('message', (message, from) => void (from.port === 0 || this.#datagram(message, from)));
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address, port: this.port, exclusive: true }, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', () => undefined);
        resolve();
      });
    });
  }

  async #datagram(message: Buffer, from: RemoteInfo): Promise<void> {
    const answer = await this.#answer(message, from.address, 'udp');
    if (answer === undefined || this.#abort.signal.aborted) return;
    this.#datagrams.send(answer, from.port, from.address, () => undefined);
  }

  async #answer(message: Buffer, source: string, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const view = this.#dependencies.view(source);
    if (view === undefined) return refusal(message);
    const verdict = decide(message, view, transport);
    if (verdict.kind === 'ignore') return undefined;
    if (verdict.kind === 'answer') return verdict.message;
    if (this.#forwarding >= forwardLimit) return serverFailure(message);
    this.#forwarding++;
    try {
      const answer = await this.#dependencies.forwarder.forward(message, view.upstreams, transport, this.#abort.signal);
      if (answer === undefined) return serverFailure(message);
      return transport === 'udp' && answer.length > datagramLimit(message) ? truncate(answer) : answer;
    } catch {
      return serverFailure(message);
    } finally {
      this.#forwarding--;
    }
  }

  /** RFC 1035 4.2.2: each message after its length; several may follow each other. */
  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(connectionIdleMs, () => socket.destroy());
    let received = Buffer.alloc(0);
    let busy = false;
    const next = async () => {
      if (busy) return;
      busy = true;
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0) && !socket.destroyed) {
        const size = received.readUInt16BE(0);
        const message = received.subarray(2, 2 + size);
        received = received.subarray(2 + size);
        const answer = await this.#answer(message, socket.remoteAddress ?? '', 'tcp');
        if (answer === undefined || socket.destroyed) {
          socket.destroy();
          return;
        }
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([length, answer]));
      }
      busy = false;
    };
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      // More than one whole message waiting while one is being answered: the peer isn't a resolver.
      if (received.length > 2 * 65_537) socket.destroy();
      else void next();
    });
  }
}
