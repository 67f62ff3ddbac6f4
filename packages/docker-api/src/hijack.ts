import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Taking a connection over from HTTP (attach, exec): after the head of the answer it carries raw bytes both ways.
 *
 * Node treats a request with `Connection: Upgrade` as an ordinary one when the server has no `upgrade` listener, and its
 * parser then silently drops whatever follows the request; without that header it takes what follows for a broken second
 * request. Either way, input that arrives glued to the request, or before the handler is ready, would be lost. So from
 * the moment the head of such a request has been parsed, every byte of its connection is kept here too.
 */
interface Recording {
  readonly chunks: Buffer[];
  /** Offset in `chunks` where the body begins. */
  readonly bodyAt: number;
  readonly bodyBytes: number;
  size: number;
  ended: boolean;
}

/** A client gets no further than this before it has the head of the answer. */
const maxEarlyBytes = 4 << 20;

const recordings = new WeakMap<Socket, Recording>();
const current = new WeakMap<Socket, { before: Buffer; chunk: Buffer }>();

/** Whether what the HTTP parser says about this connection no longer matters. */
export function isTakenOver(socket: Socket): boolean {
  return recordings.has(socket);
}

/** Makes a server able to hand over connections of requests for which `wants` is true. Call before it listens. */
export function allowTakeOver(server: Server, wants: (request: IncomingMessage) => boolean): void {
  server.on('connection', (socket: Socket) => {
    const seen: { before: Buffer; chunk: Buffer } = { before: Buffer.alloc(0), chunk: Buffer.alloc(0) };
    current.set(socket, seen);
    // Listening for data makes Node feed the parser from JavaScript, so that this listener sees each piece just before.
    socket.prependListener('data', (chunk: Buffer) => {
      seen.before = seen.chunk.subarray(-3);
      seen.chunk = chunk;
      const recording = recordings.get(socket);
      if (recording === undefined) return;
      recording.chunks.push(chunk);
      recording.size += chunk.length;
      if (recording.size > maxEarlyBytes + recording.bodyBytes) socket.pause();
    });
  });
  server.prependListener('request', (request: IncomingMessage) => {
    const socket = request.socket;
    const seen = current.get(socket);
    if (seen === undefined || !wants(request)) return;
    const bytes = Buffer.concat([seen.before, seen.chunk]);
    const headEnd = bytes.indexOf('\r\n\r\n');
    const recording: Recording = {
      chunks: [bytes],
      bodyAt: headEnd < 0 ? bytes.length : headEnd + 4,
      bodyBytes: Number(request.headers['content-length'] ?? 0),
      size: bytes.length,
      ended: false,
    };
    recordings.set(socket, recording);
    // Node would answer a half-closed connection by closing its own side too.
    socket.removeAllListeners('end');
    socket.once('end', () => {
      recording.ended = true;
    });
  });
}

/** The raw connection of a request that was taken over. */
export class TakenConnection {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  /** Input not yet given on; undefined is its end. */
  readonly #input: (Buffer | undefined)[];
  #give: ((piece: Buffer | undefined) => Promise<void>) | undefined;
  #giving = false;

  /** Listens at once: a flowing socket without a listener drops what it reads. */
  constructor(socket: Socket, early: Buffer, ended: boolean) {
    this.#socket = socket;
    this.#input = [...(early.length === 0 ? [] : [early]), ...(ended ? [undefined] : [])];
    socket.on('error', () => this.#gone.abort());
    socket.once('close', () => this.#gone.abort());
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    if (!ended) socket.once('end', () => this.#take(undefined));
    if (socket.destroyed) this.#gone.abort();
    socket.resume();
  }

  /** Aborted when the client is gone altogether; a client that only closed its sending side is not. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when there is room for more; false when the client is gone. */
  async write(data: Buffer): Promise<boolean> {
    if (this.#socket.destroyed || this.#gone.signal.aborted) return false;
    if (this.#socket.write(data)) return true;
    try {
      await once(this.#socket, 'drain', { signal: this.#gone.signal });
      return true;
    } catch {
      return false;
    }
  }

  /** Gives each piece of input in order, one at a time, then the end of it. Call once. */
  read(onData: (data: Buffer) => Promise<void>, onEnd: () => Promise<void>): void {
    this.#give = (piece) => (piece === undefined ? onEnd() : onData(piece));
    void this.#drain();
  }

  #take(piece: Buffer | undefined): void {
    this.#input.push(piece);
    this.#socket.pause();
    void this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#give === undefined || this.#giving) return;
    this.#giving = true;
    while (this.#input.length > 0) {
      // A process that takes no more input is no reason to end its output.
      await this.#give(this.#input.shift()).catch(() => undefined);
    }
    this.#giving = false;
    this.#socket.resume();
  }

  /** Sends what is left, then closes; a client that doesn't take it within 5 seconds is cut off. */
  async end(): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.end();
    const limit = AbortSignal.any([AbortSignal.timeout(5_000), this.#gone.signal]);
    if (!socket.writableFinished) await once(socket, 'finish', { signal: limit }).catch(() => undefined);
    socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/**
 * Takes the connection from Fastify and Node and answers `101 UPGRADED` or, to a client that didn't ask for an upgrade,
 * a plain 200 with a body that ends with the connection.
 */
export function takeOver(request: FastifyRequest, reply: FastifyReply, contentType: string): TakenConnection {
  const socket = request.raw.socket;
  const recording = recordings.get(socket);
  reply.hijack();
  reply.raw.detachSocket(socket);
  for (const event of ['data', 'end', 'close', 'error', 'timeout', 'drain']) socket.removeAllListeners(event);
  socket.setTimeout(0);
  socket.setNoDelay(true);

  const seen = recording === undefined ? Buffer.alloc(0) : Buffer.concat(recording.chunks);
  const early = recording === undefined ? seen : seen.subarray(recording.bodyAt + recording.bodyBytes);
  recording?.chunks.splice(0);
  const connection = new TakenConnection(socket, early, recording?.ended ?? false);
  const upgrade = request.headers.upgrade !== undefined;
  const head = upgrade
    ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`
    : `HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\n\r\n`;
  socket.write(head);
  return connection;
}
