import { type AuthConfig, authConfigSchema, Filters, readRegistryAuth, readRegistryConfig } from '@berth/docker-wire';
import type { Credentials, Exchanged } from '@berth/images';
import { isFault } from '@berth/kit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { jsonBody } from '../body.ts';
import type { Context } from '../context.ts';
import { answerFor, invalid } from '../faults.ts';
import { joinPullReference } from '../image-names.ts';
import { Query } from '../query.ts';
import { clientGone, ResponseStream } from '../response-stream.ts';

/** What is the registry's fault, and not the request's: dockerd's clients would ask for a password on 401. */
const upstream = new Set([
  'registry-unauthenticated',
  'registry-unreachable',
  'registry-busy',
  'registry-refused',
  'registry-answer-invalid',
  'redirect-refused',
  'digest-mismatch',
  'tar-invalid',
  'layer-too-large',
  'too-many-entries',
]);

/** What needs a registry but isn't a pull or a push: login, search, and asking for an image's digest. */
export function registryArea(app: FastifyInstance, context: Context): void {
  const { registries } = context.engine.images;

  app.post('/auth', async (request, reply) => {
    const config = await jsonBody(request, authConfigSchema, 'AuthConfig');
    try {
      await registries.logIn(config.serveraddress, credentialsOf(config), clientGone(context, reply));
    } catch (error) {
      return isFault(error, 'registry-unauthenticated') ? reply.code(401).send({ message: error.message }) : answer(reply, error);
    }
    return { IdentityToken: '', Status: 'Login Succeeded' };
  });

  app.get('/images/search', async (request, reply) => {
    const query = new Query(request);
    const term = query.text('term');
    const filters = Filters.parse(query.text('filters'), ['is-automated', 'is-official', 'stars']);
    const limit = query.integer('limit') ?? 25;
    if (limit < 0 || limit > 100) throw invalid('limit-invalid', `Limit ${limit} is outside the range of [1, 100]`);
    const stars = filters.values('stars').map((value) => {
      if (!/^\d+$/.test(value)) throw invalid('filter-invalid', `invalid filter 'stars=${value}'`);
      return Number(value);
    });
    const official = filters.boolean('is-official');
    const automated = filters.boolean('is-automated');
    try {
      const found = await registries.search(term, { limit: limit === 0 ? 25 : limit, ...asked(request, term), signal: clientGone(context, reply) });
      return found
        .filter(
          (one) =>
            stars.every((least) => one.starCount >= least) &&
            (official === undefined || one.isOfficial === official) &&
            (automated === undefined || one.isAutomated === automated),
        )
        .map((one) => ({
          name: one.name,
          description: one.description,
          star_count: one.starCount,
          is_official: one.isOfficial,
          is_automated: one.isAutomated,
        }));
    } catch (error) {
      return answer(reply, error);
    }
  });

  app.get<{ Params: { '*': string } }>('/distribution/*', async (request, reply) => {
    const name = /^(.+)\/json$/.exec(request.params['*'])?.[1];
    if (name === undefined) return reply.code(404).send({ message: 'page not found' });
    try {
      const { mediaType, digest, sizeBytes, platforms } = await registries.describe(name, { ...asked(request, name), signal: clientGone(context, reply) });
      return { Descriptor: { mediaType, digest, size: sizeBytes }, Platforms: platforms };
    } catch (error) {
      return answer(reply, error);
    }
  });
}

/** `POST /images/create` with `fromImage`. */
export async function pullImage(context: Context, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = new Query(request);
  const { reference, all } = joinPullReference(query.text('fromImage'), query.text('tag'));
  const platform = query.text('platform');
  return exchange(context, reply, 'pull', (progress, signal) =>
    context.engine.images.registries.pull(reference, { all, ...(platform === '' ? {} : { platform }), ...asked(request, reference), progress, signal }),
  );
}

/** `POST /images/NAME/push`. Without a tag it is all of them. */
export async function pushImage(context: Context, name: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { reference, all } = joinPullReference(name, new Query(request).text('tag'));
  return exchange(context, reply, 'push', (progress, signal) =>
    context.engine.images.registries.push(reference, { all, ...asked(request, reference), progress, signal }),
  );
}

/** Until there is something to tell, a refusal is told by status code; after that in the stream. */
async function exchange(
  context: Context,
  reply: FastifyReply,
  action: 'pull' | 'push',
  work: (progress: (message: Readonly<Record<string, unknown>>) => void, signal: AbortSignal) => Promise<Exchanged>,
): Promise<FastifyReply> {
  const signal = clientGone(context, reply);
  let stream: ResponseStream | undefined;
  const begun = () => (stream ??= new ResponseStream(context, reply, 'application/json'));
  const progress = (message: Readonly<Record<string, unknown>>) => void begun().writeJson(message);
  try {
    const { reference, name, images } = await work(progress, signal);
    const labels = images.length === 1 ? images[0]?.configuration.config?.Labels : undefined;
    context.engine.emit({ type: 'image', action, actorId: reference, attributes: { ...labels, name } });
  } catch (error) {
    if (stream === undefined) return answer(reply, error);
    if (!signal.aborted) await begun().fail(error);
  }
  begun().end();
  return reply;
}

function answer(reply: FastifyReply, error: unknown): FastifyReply {
  if (!isFault(error) || !upstream.has(error.code)) throw error;
  return reply.code(500).send({ message: answerFor(error).message });
}

function asked(request: FastifyRequest, reference: string): { credentials?: Credentials } {
  const header = (name: string) => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const first = reference.split('/', 1)[0] ?? '';
  const host = reference.includes('/') && /[.:]|^localhost$/.test(first) ? first : 'docker.io';
  const config = readRegistryAuth(header('x-registry-auth')) ?? readRegistryConfig(header('x-registry-config'), host);
  return config === undefined ? {} : { credentials: credentialsOf(config) };
}

export function credentialsOf({ username, password, identitytoken, registrytoken }: AuthConfig): Credentials {
  return { username, password, identityToken: identitytoken, registryToken: registrytoken };
}
