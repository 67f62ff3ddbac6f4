import type { ImageProcessDefaults } from '@berth/images';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { bodyStream, optionalJsonBody } from '../body.ts';
import type { Context } from '../context.ts';
import { invalid } from '../faults.ts';
import { joinReference } from '../image-names.ts';
import { Query } from '../query.ts';
import { ResponseStream } from '../response-stream.ts';
import { pathStatHeader } from '../view/path-stat.ts';

type WithId = { Params: { id: string } };

const CHANGE_KINDS = { modified: 0, added: 1, deleted: 2 } as const;

/** `docker cp`, `diff`, `export` and `commit`. */
export function containerFileArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;

  app.head<WithId>('/containers/:id/archive', async (request, reply) => {
    const stat = await engine.statPath(request.params.id, pathOf(request));
    return reply.header('X-Docker-Container-Path-Stat', pathStatHeader(stat)).code(200).send();
  });

  app.get<WithId>('/containers/:id/archive', async (request, reply) => {
    const { stat, tar } = await engine.readArchive(request.params.id, pathOf(request), untilGone(reply));
    return sendTar(context, reply, tar, { 'X-Docker-Container-Path-Stat': pathStatHeader(stat) });
  });

  app.put<WithId>('/containers/:id/archive', async (request, reply) => {
    const query = new Query(request);
    const body = bodyStream(request);
    const options = {
      noOverwriteDirNonDir: query.flag('noOverwriteDirNonDir'),
      copyUidGid: query.flag('copyUIDGID'),
      signal: untilGone(reply),
    };
    // What the client still sends is taken: destroyed, the body would take the connection away under the answer.
    body.on('error', () => undefined);
    try {
      await engine.writeArchive(request.params.id, pathOf(request), body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>, options);
    } finally {
      body.resume();
    }
    return reply.code(200).send();
  });

  app.get<WithId>('/containers/:id/changes', async (request) => {
    const changes = await engine.containerChanges(request.params.id);
    return changes.length === 0 ? null : changes.map(({ kind, path }) => ({ Path: path, Kind: CHANGE_KINDS[kind] }));
  });

  app.get<WithId>('/containers/:id/export', async (request, reply) => {
    const tar = await engine.exportContainer(request.params.id, untilGone(reply));
    return sendTar(context, reply, tar, {}, 'application/octet-stream');
  });

  app.post('/commit', async (request, reply) => {
    const query = new Query(request);
    const name = query.text('container');
    const given = await optionalJsonBody(request, z.record(z.string(), z.unknown()).nullable(), 'Config');
    const { definition } = engine.container(name);
    const reference = query.text('repo') === '' ? undefined : joinReference(query.text('repo'), query.text('tag'));
    const { Hostname, ...config } = definition.personality['Config'] as ImageProcessDefaults;
    const image = await engine.commitContainer(name, {
      author: query.text('author'),
      comment: query.text('comment'),
      pause: query.flag('pause', true),
      changes: query.texts('changes'),
      containerConfig: { Hostname: Hostname === '' ? definition.hostname : Hostname, ...config },
      ...(given === null || Object.keys(given).length === 0 ? {} : { config: given as ImageProcessDefaults }),
      ...(reference === undefined ? {} : { reference }),
      signal: untilGone(reply),
    });
    return reply.code(201).send({ Id: image.id });
  });
}

function pathOf(request: FastifyRequest): string {
  const path = new Query(request).text('path');
  if (path === '') throw invalid('path-missing', "bad parameter: 'path' cannot be empty");
  return path;
}

/** Aborted when the client hangs up before it has its answer. */
function untilGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** What can be said by status code has been said. */
async function sendTar(
  context: Context,
  reply: FastifyReply,
  tar: AsyncIterable<Buffer>,
  headers: Readonly<Record<string, string>>,
  type = 'application/x-tar',
): Promise<FastifyReply> {
  const stream = new ResponseStream(context, reply, type, headers);
  try {
    for await (const piece of tar) if (!(await stream.write(piece))) break;
    stream.end();
  } catch (error) {
    if (!stream.signal.aborted) context.log.warn({ err: error }, "a container's files could not be sent");
    // Half an archive must not look like a whole one.
    reply.raw.destroy();
  }
  return reply;
}
