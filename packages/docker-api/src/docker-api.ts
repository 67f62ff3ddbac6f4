import { chmod, chown, unlink } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { Fault } from '@berth/kit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Builder } from '@berth/builder';
import type { Engine } from '@berth/engine';
import { absentArea } from './areas/absent.ts';
import { buildArea } from './areas/build.ts';
import { containerArea } from './areas/containers.ts';
import { containerFileArea } from './areas/container-files.ts';
import { containerStreamArea } from './areas/container-streams.ts';
import { eventArea } from './areas/events.ts';
import { execArea } from './areas/execs.ts';
import { imageArchiveArea } from './areas/image-archives.ts';
import { imageArea } from './areas/images.ts';
import { volumeArea } from './areas/volumes.ts';
import { networkArea } from './areas/networks.ts';
import { registryArea } from './areas/registries.ts';
import { systemArea } from './areas/system.ts';
import { BodyTooLarge } from './body.ts';
import type { Context, Log } from './context.ts';
import { checkedDefaults, jsonFileDefaults, type LogDefaults } from './create/logging.ts';
import { answerFor } from './faults.ts';
import { commonHeaders } from './headers.ts';
import { allowTakeOver, isTakenOver } from './hijack.ts';
import { requestMinor, stripVersion } from './versions.ts';

export interface DockerApiOptions {
  readonly engine: Engine;
  readonly builder: Builder;
  readonly log: Log;
  /** Berth's own version, e.g. `0.1.0`. */
  readonly version: string;
  /** Git commit for `docker version`; `unknown` when absent. */
  readonly commit?: string;
  /** Absent: json-file without limits. Fault `log-option-invalid` and others when they make no sense. */
  readonly logDefaults?: LogDefaults;
}

/** One Docker endpoint: the Engine API of one VCH. Constructing does nothing; `listen` acquires. */
export interface DockerApi extends AsyncDisposable {
  /**
   * Serves on a unix socket: made with the given mode (default 0660), replacing a stale socket file. Fault
   * `endpoint-in-use` when another process is listening there.
   */
  listen(socketPath: string, options?: { mode?: number; gid?: number }): Promise<void>;
  /** Stops accepting, ends open streams within 2 seconds, removes the socket file. Idempotent. */
  close(): Promise<void>;
}

/** Open streams are told to end; what has not ended after this long is cut off. */
const closeGraceMs = 2_000;

export function createDockerApi(options: DockerApiOptions): DockerApi {
  const closing = new AbortController();
  const context: Context = {
    engine: options.engine,
    builder: options.builder,
    log: options.log,
    version: options.version,
    commit: options.commit ?? 'unknown',
    logDefaults: checkedDefaults(options.logDefaults ?? jsonFileDefaults),
    closing: closing.signal,
  };
  const app = buildApp(context);
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    // A taken-over connection loses its listeners, so this one is looked at when closing rather than kept exact.
    socket.once('close', () => sockets.delete(socket));
    for (const other of sockets) if (other.destroyed) sockets.delete(other);
  });

  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      closing.abort();
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, closeGraceMs);
      app.server.closeIdleConnections();
      await app.close();
      clearTimeout(cut);
    })();
    return closed;
  };
  return {
    async listen(socketPath, { mode = 0o660, gid } = {}) {
      await removeStale(socketPath);
      await app.listen({ path: socketPath });
      await chmod(socketPath, mode);
      if (gid !== undefined) await chown(socketPath, process.getuid?.() ?? 0, gid);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function buildApp(context: Context): FastifyInstance {
  const app = fastify({
    rewriteUrl: (request) => stripVersion(request as IncomingMessage),
    routerOptions: { maxParamLength: 4096 },
    exposeHeadRoutes: false,
    // Archives are uploaded for as long as it takes.
    requestTimeout: 0,
    keepAliveTimeout: 120_000,
    // Filters travel in the URL, credentials in a header.
    http: { maxHeaderSize: 128 * 1024 },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => answerBroken(error, socket as Socket),
  });
  allowTakeOver(app.server, (request) => /^\/(v[\d.]+\/)?(containers\/[^/]+\/attach|exec\/[^/]+\/start)(\?|$)/.test(request.url ?? ''));

  // Bodies are read by the routes: some are JSON, some are archives, and few clients label them well.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(commonHeaders(context));
    try {
      requestMinor(request.raw);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  // The docker CLI compares this header to the letter: with a charset behind it, it would print error bodies as they are.
  app.addHook('onSend', (request, reply, _payload, done) => {
    // A connection that was watched for a takeover, and then answered like any other, carries no second request.
    if (isTakenOver(request.raw.socket)) reply.header('Connection', 'close');
    if (String(reply.getHeader('content-type') ?? '').startsWith('application/json')) reply.header('content-type', 'application/json');
    done();
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'page not found' }));
  app.setErrorHandler((error, request, reply) => answerError(context, error, request, reply));

  for (const area of [
    systemArea,
    eventArea,
    containerArea,
    containerFileArea,
    containerStreamArea,
    execArea,
    imageArea,
    imageArchiveArea,
    registryArea,
    buildArea,
    networkArea,
    volumeArea,
    absentArea,
  ]) {
    area(app, context);
  }
  return app;
}

function answerError(context: Context, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof BodyTooLarge) {
    reply.header('Connection', 'close').code(413).send({ message: 'request body too large' });
    return;
  }
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500) {
    reply.code(error.statusCode).send({ message: error.message });
    return;
  }
  const answer = answerFor(error);
  if (answer.id !== undefined) context.log.error({ err: error, id: answer.id, method: request.method, url: request.url }, 'a request failed');
  if (answer.status === 304) {
    reply.code(304).send();
    return;
  }
  reply.code(answer.status).send({ message: answer.message });
}

/** What could not be read as HTTP at all. */
function answerBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  // Input of a connection being taken over is not HTTP and not an error.
  if (isTakenOver(socket)) return;
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'request header fields too large']
      : ['400 Bad Request', 'malformed HTTP request'];
  const body = JSON.stringify({ message });
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
}

async function removeStale(socketPath: string): Promise<void> {
  const found = await new Promise<'nothing' | 'stale' | 'alive'>((resolve, reject) => {
    const probe = createConnection(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve('alive');
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve('nothing');
      else if (error.code === 'ECONNREFUSED') resolve('stale');
      else reject(error);
    });
  });
  if (found === 'alive') throw new Fault('conflict', 'endpoint-in-use', `another process is serving ${socketPath}`);
  if (found === 'stale') await unlink(socketPath);
}
