import { connect, createServer, type Server, type Socket } from 'node:net';
import { rm } from 'node:fs/promises';

/** One API request as it passed; times in milliseconds since `reset`. */
export interface RecordedRequest {
  /** `POST /v1.41/containers/create` */
  readonly line: string;
  readonly connection: number;
  readonly askedAtMs: number;
  /** First byte of the answer. */
  answeredAtMs?: number;
  status?: string;
  /** Last byte that came on this connection before its next request or its end. */
  lastByteAtMs?: number;
}

const methods = /^(GET|POST|PUT|DELETE|HEAD) (\S+) HTTP\/1\.[01]\r\n/;

/** A unix socket that passes everything on to another one, unchanged, and notes when each API request went by. */
export class RecordingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  #connections = 0;
  #origin = performance.now();
  #requests: RecordedRequest[] = [];

  private constructor(path: string, target: string) {
    this.#path = path;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#relay(client, connect({ path: target, allowHalfOpen: true })));
  }

  static async open(options: { path: string; target: string }): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(options.path, options.target);
    await new Promise<void>((resolve, reject) => proxy.#server.once('error', reject).listen(options.path, resolve));
    return proxy;
  }

  /** Forgets what was recorded; time begins anew. */
  reset(): void {
    this.#requests = [];
    this.#origin = performance.now();
  }

  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  #relay(client: Socket, server: Socket): void {
    const connection = ++this.#connections;
    let current: RecordedRequest | undefined;
    const now = () => performance.now() - this.#origin;
    client.on('data', (chunk: Buffer) => {
      const match = methods.exec(chunk.toString('latin1', 0, 4096));
      if (match !== null) {
        current = { line: `${match[1]} ${match[2]}`, connection, askedAtMs: now() };
        this.#requests.push(current);
      }
      server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      if (current !== undefined) {
        current.lastByteAtMs = now();
        if (current.answeredAtMs === undefined) {
          current.answeredAtMs = current.lastByteAtMs;
          current.status = chunk.toString('latin1', 9, 12);
        }
      }
      client.write(chunk);
    });
    client.on('end', () => server.end());
    server.on('end', () => client.end());
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.#path, { force: true });
  }
}
