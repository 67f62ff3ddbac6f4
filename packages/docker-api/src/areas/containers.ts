import { createContainerSchema, hostConfigSchema, parseSignal, requireSignal } from '@berth/docker-wire';
import { Fault, isFault } from '@berth/kit';
import type { ContainerView } from '@berth/engine';
import type { Image } from '@berth/images';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { jsonBody } from '../body.ts';
import { listContainers, pruneFilter } from '../container-filters.ts';
import type { Context } from '../context.ts';
import { checkedName, mapContainer } from '../create/new-container.ts';
import { cannotUpdate, mapUpdate } from '../create/update.ts';
import { invalid } from '../faults.ts';
import { Query } from '../query.ts';
import { requestMinor } from '../versions.ts';
import { inspectView } from '../view/container-inspect.ts';
import { summaryView } from '../view/container-summary.ts';
import { readPsArguments } from '../view/ps/arguments.ts';
import { topView } from '../view/ps/top.ts';

type WithId = { Params: { id: string } };

/** Containers but for their streams: create, list, inspect, and what is done to them. */
export function containerArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;

  app.post('/containers/create', async (request, reply) => {
    const query = new Query(request);
    const name = query.text('name');
    if (query.has('name') && name !== '') checkedName(name);
    const body = await jsonBody(request, createContainerSchema, 'ContainerConfigWrapper');
    if (body.Image === '' && (body.Cmd ?? []).length === 0 && body.HostConfig === undefined) {
      throw invalid('config-empty', 'config cannot be empty in order to create a container');
    }
    if (body.Image === '') throw invalid('image-missing', 'no image specified');
    const minor = requestMinor(request.raw);
    const image = engine.images.get(body.Image);
    requirePlatform(image, body.Image, query.text('platform'));
    const mapped = mapContainer(body, name, image, engine, { minor, logDefaults: context.logDefaults });
    const made = await engine.createContainer(mapped.container).catch((error: unknown) => {
      // To the CLI a create that answers 404 means that the image has to be pulled.
      if (isFault(error) && error.kind === 'not-found' && error.code !== 'image-not-found') {
        throw new Fault('invalid', error.code, error.message, { cause: error });
      }
      throw error;
    });
    return reply.code(201).send({ Id: made.id, Warnings: [...mapped.warnings, ...made.warnings] });
  });

  app.get('/containers/json', async (request) => {
    const query = new Query(request);
    const minor = requestMinor(request.raw);
    const views = listContainers(engine, { all: query.flag('all'), limit: query.integer('limit'), filters: query.text('filters') });
    const withSize = query.flag('size');
    const nowMs = Date.now();
    return Promise.all(views.map(async (view) => summaryView(view, engine, minor, nowMs, withSize ? await sizeOf(context, view) : undefined)));
  });

  app.get<WithId>('/containers/:id/json', async (request) => {
    const view = engine.container(request.params.id);
    return inspectView(view, engine, requestMinor(request.raw), new Query(request).flag('size') ? await sizeOf(context, view) : undefined);
  });

  app.get<WithId>('/containers/:id/top', async (request) => {
    const ps = readPsArguments(new Query(request).text('ps_args') || '-ef');
    const rows = await engine.processes(request.params.id);
    const wantsMemory = ps.columns.some(({ title }) => title === '%MEM');
    return topView(rows, ps, { nowMs: Date.now(), memoryBytes: wantsMemory ? (await engine.statistics(request.params.id)).memoryLimitBytes : 0 });
  });

  app.post<WithId>('/containers/:id/start', async (request, reply) => {
    await engine.startContainer(request.params.id);
    return reply.code(204).send();
  });

  app.post<WithId>('/containers/:id/stop', async (request, reply) => {
    await engine.stopContainer(request.params.id, stopOptions(request));
    return reply.code(204).send();
  });

  app.post<WithId>('/containers/:id/restart', async (request, reply) => {
    await engine.restartContainer(request.params.id, stopOptions(request));
    return reply.code(204).send();
  });

  app.post<WithId>('/containers/:id/kill', async (request, reply) => {
    const { id } = request.params;
    const text = new Query(request).text('signal');
    const signal = text === '' ? 9 : parseSignal(text);
    try {
      engine.container(id);
      await engine.killContainer(id, requireSignal(signal));
    } catch (error) {
      if (!(error instanceof Fault) || error.message.startsWith('cannot kill')) throw error;
      throw new Fault(error.kind, error.code, `cannot kill container: ${id}: ${error.message}`, { cause: error });
    }
    return reply.code(204).send();
  });

  app.post<WithId>('/containers/:id/pause', async (request, reply) => {
    await engine.pauseContainer(request.params.id);
    return reply.code(204).send();
  });

  app.post<WithId>('/containers/:id/unpause', async (request, reply) => {
    await engine.unpauseContainer(request.params.id);
    return reply.code(204).send();
  });

  app.post<WithId>('/containers/:id/rename', async (request, reply) => {
    const name = new Query(request).text('name');
    if (name === '') throw invalid('name-empty', 'Neither old nor new names may be empty');
    const view = engine.container(request.params.id);
    if (view.definition.name === name.replace(/^\//, '')) {
      throw invalid('name-same', 'Renaming a container with the same name as its current name');
    }
    try {
      checkedName(name.startsWith('/') ? name : `/${name}`);
      await engine.renameContainer(request.params.id, checkedName(name));
    } catch (error) {
      if (!(error instanceof Fault) || error.code === 'container-not-found') throw error;
      throw new Fault(error.kind, error.code, `Error when allocating new name: ${error.message}`, { cause: error });
    }
    return reply.code(204).send();
  });

  app.post<WithId>('/containers/:id/update', async (request) => {
    const body = await jsonBody(request, hostConfigSchema, 'UpdateConfig');
    const view = engine.container(request.params.id);
    const { change, warnings } = mapUpdate(body, view, engine.facts().cpus);
    await engine.updateContainer(view.definition.id, change).catch((error: unknown) => {
      throw cannotUpdate(view.definition.id, error);
    });
    return { Warnings: warnings };
  });

  app.post<WithId>('/containers/:id/resize', async (request, reply) => {
    await engine.resizeContainer(request.params.id, terminalSize(request));
    return reply.code(200).send();
  });

  app.delete<WithId>('/containers/:id', async (request, reply) => {
    const query = new Query(request);
    if (query.flag('link')) throw invalid('link-unsupported', 'Berth makes no links between containers, so there is none to remove');
    await engine.removeContainer(request.params.id, { force: query.flag('force'), volumes: query.flag('v') });
    return reply.code(204).send();
  });

  app.post('/containers/prune', async (request) => {
    const matches = pruneFilter(new Query(request).text('filters'));
    const { deleted, reclaimedBytes } = await engine.pruneContainers(({ definition }) => matches(definition.createdAtMs, definition.labels));
    return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimedBytes };
  });
}

/** `--platform`: an image for another machine counts as missing, as with Docker. */
function requirePlatform(image: Image, reference: string, wanted: string): void {
  if (wanted === '') return;
  const { os = 'linux', architecture = '' } = image.configuration;
  const [wantedOs, wantedArchitecture = architecture] = wanted.toLowerCase().split('/');
  if (wantedOs === os && wantedArchitecture === architecture) return;
  throw new Fault(
    'not-found',
    'image-not-found',
    `image with reference ${reference} was found but its platform (${os}/${architecture}) does not match the specified platform (${wanted})`,
  );
}

/** `h` and `w` of a resize. */
export function terminalSize(request: FastifyRequest): { rows: number; columns: number } {
  const query = new Query(request);
  const read = (name: string) => {
    const value = query.integer(name);
    if (value === undefined || value < 0 || value > 65_535) {
      throw invalid(
        'size-invalid',
        `strconv.ParseUint: parsing ${JSON.stringify(query.text(name))}: ${value === undefined ? 'invalid syntax' : 'value out of range'}`,
      );
    }
    return value;
  };
  return { rows: read('h'), columns: read('w') };
}

function stopOptions(request: FastifyRequest): { signal?: number; timeoutSeconds?: number } {
  const query = new Query(request);
  const timeoutSeconds = query.integer('t');
  const signal = query.text('signal');
  return {
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(signal === '' ? {} : { signal: requireSignal(parseSignal(signal)) }),
  };
}

async function sizeOf(context: Context, view: ContainerView): Promise<{ rw: number; root: number }> {
  const { id, imageId } = view.definition;
  const image = context.engine.images.list().find((candidate) => candidate.id === imageId);
  return { rw: await context.engine.writableSize(id), root: image?.sizeBytes ?? 0 };
}
