import type { Readable } from 'node:stream';
import { type BuildOutput, type BuildRequest, StepFailed } from '@berth/builder';
import { Filters, parseMoment, readRegistryConfig } from '@berth/docker-wire';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { bodyStream } from '../body.ts';
import { readBuild } from '../builds/options.ts';
import { stepContainer } from '../builds/step-container.ts';
import type { Context } from '../context.ts';
import { credentialsOf } from './registries.ts';
import { Query } from '../query.ts';
import { clientGone, ResponseStream } from '../response-stream.ts';

/** Of a quiet build that fails, so much is told. */
const QUIET_BYTES = 1 << 20;

/** `docker build` by the classic builder's API, and the caches it leaves. */
export function buildArea(app: FastifyInstance, context: Context): void {
  app.post('/build', (request, reply) => build(context, request, reply));

  app.post('/build/prune', async (request) => {
    const filters = Filters.parse(new Query(request).text('filters'), ['until', 'id', 'type', 'inuse', 'shared', 'private', 'description', 'parent']);
    const untils = filters.values('until').map((value) => Number(parseMoment(value, Date.now()) / 1_000_000n));
    const ids = filters.values('id');
    const { deleted, reclaimedBytes } = await context.builder.prune(
      ({ id, volume, createdAtMs }) => untils.every((until) => createdAtMs < until) && (ids.length === 0 || ids.includes(id) || ids.includes(volume)),
    );
    return { CachesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimedBytes };
  });
}

/** Until there is something to tell, a refusal is told by status code; after that in the stream. */
async function build(context: Context, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const options = readBuild(new Query(request));
  const container = stepContainer(context, request);
  const header = request.headers['x-registry-config'];
  const registries = Array.isArray(header) ? header[0] : header;
  const body = bodyStream(request);
  const wanted: BuildRequest = {
    ...options,
    context: options.remote === '' ? { stream: pieces(body) } : { url: options.remote },
    container,
    credentials: (reference) => {
      const first = reference.split('/', 1)[0] ?? '';
      const config = readRegistryConfig(registries, reference.includes('/') && /[.:]|^localhost$/.test(first) ? first : 'docker.io');
      return config === undefined ? undefined : credentialsOf(config);
    },
  };
  const signal = clientGone(context, reply);
  let stream: ResponseStream | undefined;
  const begun = () => (stream ??= new ResponseStream(context, reply, 'application/json'));
  const told = options.quiet ? new QuietOutput() : new ToldOutput(begun);
  try {
    const image = await context.builder.build(wanted, told, signal);
    if (options.quiet) await begun().writeJson({ stream: `${image.id}\n` });
    told.text(`Successfully built ${image.id.slice(7, 19)}\n`);
    for (const tag of options.tags) {
      told.text(`Successfully tagged ${familiar(tag)}\n`);
      context.engine.emit({ type: 'image', action: 'tag', actorId: image.id, attributes: { ...image.configuration.config?.Labels, name: familiar(tag) } });
    }
  } catch (error) {
    // What the client still sends has to be taken, or it never gets to read this answer.
    body.resume();
    if (told instanceof QuietOutput) for (const message of told.kept) await begun().writeJson(message);
    if (stream === undefined) throw error;
    if (!signal.aborted) await begun().fail(error, error instanceof StepFailed ? error.exitCode : undefined);
  }
  begun().end();
  return reply;
}

/** The request stays whole when its reader stops in the middle: destroying it would take the connection away under the answer. */
function pieces(body: Readable): AsyncIterable<Buffer> {
  body.on('error', () => undefined);
  return body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function familiar(tag: string): string {
  return /:[^/]*$/.test(tag) ? tag : `${tag}:latest`;
}

/** As dockerd tells it: text in `stream`, what a step wrote as an error in red. */
class ToldOutput implements BuildOutput {
  readonly #begun: () => ResponseStream;

  constructor(begun: () => ResponseStream) {
    this.#begun = begun;
  }

  text(line: string): void {
    this.message({ stream: line });
  }

  async write(stream: 'stdout' | 'stderr', data: Buffer): Promise<void> {
    await this.#begun().writeJson({ stream: shown(stream, data) });
  }

  message(message: Readonly<Record<string, unknown>>): void {
    void this.#begun().writeJson(message);
  }

  built(imageId: string): void {
    this.message({ aux: { ID: imageId } });
  }
}

/** Nothing is told unless it fails. */
class QuietOutput implements BuildOutput {
  readonly kept: Readonly<Record<string, unknown>>[] = [];
  #bytes = 0;

  text(line: string): void {
    this.message({ stream: line });
  }

  async write(stream: 'stdout' | 'stderr', data: Buffer): Promise<void> {
    this.message({ stream: shown(stream, data) });
  }

  message(message: Readonly<Record<string, unknown>>): void {
    this.#bytes += String(message['stream'] ?? '').length;
    if (this.#bytes < QUIET_BYTES) this.kept.push(message);
  }

  built(): void {}
}

function shown(stream: 'stdout' | 'stderr', data: Buffer): string {
  return stream === 'stdout' ? data.toString() : `\u001B[91m${data.toString()}\u001B[0m`;
}
