import { Filters, parseMoment } from '@berth/docker-wire';
import type { Image } from '@berth/images';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { invalid } from '../faults.ts';
import { listImages } from '../image-filters.ts';
import { joinReference } from '../image-names.ts';
import { Query } from '../query.ts';
import { requestMinor } from '../versions.ts';
import { imageHistory, imageInspect, imageSummary } from '../view/image.ts';
import { sendArchive } from './image-archives.ts';
import { pushImage } from './registries.ts';

type WithRest = { Params: { '*': string } };

/** Images but for archives. Names have slashes in them, so routes are told by how they end. */
export function imageArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;
  const { images } = engine;

  app.get('/images/json', (request) => {
    const query = new Query(request);
    const minor = requestMinor(request.raw);
    const counted = query.flag('shared-size');
    return listImages(images, query.text('filters'), query.text('filter'), { all: query.flag('all') }).map((image) => ({
      ...imageSummary(image, minor),
      ...(counted ? { SharedSize: 0 } : {}),
    }));
  });

  app.get<WithRest>('/images/*', (request, reply) => {
    const [name, action] = splitName(request.params['*']);
    switch (action) {
      case 'json': {
        return imageInspect(images.get(name), requestMinor(request.raw));
      }
      case 'history':
        return imageHistory(images.get(name), images);
      case 'get':
        return sendArchive(context, reply, [name]);
      default:
        return pageNotFound(reply);
    }
  });

  app.post<WithRest>('/images/*', (request, reply) => {
    const [name, action] = splitName(request.params['*']);
    switch (action) {
      case 'tag':
        return tag(context, name, request, reply);
      case 'push':
        return pushImage(context, name, request, reply);
      default:
        return pageNotFound(reply);
    }
  });

  app.delete<WithRest>('/images/*', async (request) => {
    const name = request.params['*'];
    const query = new Query(request);
    const found = images.get(name);
    const removed = await images.remove(name, {
      force: query.flag('force'),
      prune: !query.flag('noprune'),
      users: imageUsers(context),
    });
    emitRemoved(context, found, removed);
    return removed;
  });

  app.post('/images/prune', async (request) => {
    const filters = Filters.parse(new Query(request).text('filters'), ['dangling', 'label', 'label!', 'until']);
    const untils = filters.values('until').map((value) => Number(parseMoment(value, Date.now()) / 1_000_000n));
    if (untils.length > 1) throw invalid('filter-invalid', 'more than one until filter specified');
    const { deleted, reclaimedBytes } = await images.prune({
      danglingOnly: filters.boolean('dangling') ?? true,
      users: imageUsers(context),
      matches: (image) => filters.labels(image.configuration.config?.Labels ?? {}) && untils.every((until) => image.createdAtMs < until),
    });
    return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimedBytes };
  });
}

/** `a/b:c/json` → [`a/b:c`, `json`]. */
function splitName(rest: string): [name: string, action: string] {
  const at = rest.lastIndexOf('/');
  return at < 0 ? [rest, ''] : [rest.slice(0, at), rest.slice(at + 1)];
}

function pageNotFound(reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ message: 'page not found' });
}

function tag(context: Context, name: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const query = new Query(request);
  const image = context.engine.images.get(name);
  const repository = query.text('repo');
  if (repository === '') throw invalid('reference-invalid', 'invalid reference format');
  const reference = joinReference(repository, query.text('tag'));
  context.engine.images.tag(image, reference);
  context.engine.emit({ type: 'image', action: 'tag', actorId: image.id, attributes: { ...image.configuration.config?.Labels, name: reference } });
  return reply.code(201).send();
}

function imageUsers({ engine }: Context): { containerId: string; imageId: string; running: boolean }[] {
  return engine.containers().map(({ definition, state }) => ({
    containerId: definition.id,
    imageId: definition.imageId,
    running: ['running', 'paused', 'restarting'].includes(state.phase),
  }));
}

function emitRemoved(context: Context, image: Image, removed: readonly ({ Untagged: string } | { Deleted: string })[]): void {
  for (const item of removed) {
    const action = 'Untagged' in item ? 'untag' : 'delete';
    if ('Deleted' in item && item.Deleted !== image.id) continue;
    context.engine.emit({ type: 'image', action, actorId: image.id, attributes: { ...image.configuration.config?.Labels, name: image.id } });
  }
}
