import type { Image } from '@berth/images';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { bodyStream } from '../body.ts';
import type { Context } from '../context.ts';
import { invalid, notYet } from '../faults.ts';
import { imagesForArchive, joinReference } from '../image-names.ts';
import { Query } from '../query.ts';
import { ResponseStream } from '../response-stream.ts';
import { pullImage } from './registries.ts';

/** Images as archives: load, import, save. */
export function imageArchiveArea(app: FastifyInstance, context: Context): void {
  const { images } = context.engine;

  app.post('/images/load', async (request, reply) => {
    const quiet = new Query(request).flag('quiet');
    const body = bodyStream(request);
    const stream = new ResponseStream(context, reply, 'application/json');
    let told = 0;
    try {
      const loaded = await images.load(body, {
        progress: (message) => {
          const text = message['stream'];
          if (typeof text === 'string' && text.startsWith('Loaded image')) told++;
          else if (quiet) return;
          void stream.writeJson(message);
        },
        signal: stream.signal,
      });
      if (told === 0) for (const line of loaded.flatMap(loadedLines)) await stream.writeJson({ stream: line });
      for (const image of loaded) emit(context, 'load', image, image.id);
    } catch (error) {
      // What the client still sends has to be taken, or it never gets to read this answer.
      body.resume();
      if (!stream.signal.aborted) await stream.fail(error);
    }
    stream.end();
  });

  app.post('/images/create', async (request, reply) => {
    const query = new Query(request);
    const source = query.text('fromSrc');
    if (source === '') return pullImage(context, request, reply);
    if (source !== '-') throw notYet('docker import from a URL is', 'fetch it and import the file, or -');
    const reference = query.text('repo') === '' ? undefined : joinReference(query.text('repo'), query.text('tag'));
    const changes = query.texts('changes');
    const message = query.text('message');
    const platform = query.text('platform');
    const body = bodyStream(request);
    const stream = new ResponseStream(context, reply, 'application/json');
    try {
      const image = await images.import(body, {
        changes,
        ...(reference === undefined ? {} : { reference }),
        ...(message === '' ? {} : { message }),
        ...(platform === '' ? {} : { platform }),
        signal: stream.signal,
      });
      await stream.writeJson({ status: image.id });
      emit(context, 'import', image, reference ?? image.id);
    } catch (error) {
      body.resume();
      if (!stream.signal.aborted) await stream.fail(error);
    }
    stream.end();
    return reply;
  });

  app.get('/images/get', (request, reply) => {
    const names = new Query(request).texts('names').filter((name) => name !== '');
    if (names.length === 0) throw invalid('names-missing', 'no image names given to save');
    return sendArchive(context, reply, names);
  });
}

/** `docker save`: everything that can be said by status code is said before the first byte. */
export async function sendArchive(context: Context, reply: FastifyReply, names: readonly string[]): Promise<FastifyReply> {
  const found = names.flatMap((name) => imagesForArchive(context, name));
  const stop = new AbortController();
  const archive = context.engine.images.save(names, { signal: stop.signal })[Symbol.asyncIterator]();
  let piece = await archive.next();
  const stream = new ResponseStream(context, reply, 'application/x-tar');
  stream.signal.addEventListener('abort', () => stop.abort(), { once: true });
  try {
    while (piece.done !== true && (await stream.write(piece.value as Buffer))) piece = await archive.next();
    for (const image of found) emit(context, 'save', image, image.id);
    stream.end();
  } catch (error) {
    if (!stream.signal.aborted) context.log.warn({ err: error }, 'an image archive could not be written');
    // Half an archive must not look like a whole one.
    reply.raw.destroy();
  } finally {
    stop.abort();
  }
  return reply;
}

function loadedLines(image: Image): string[] {
  return image.tags.length === 0 ? [`Loaded image ID: ${image.id}\n`] : image.tags.map((tag) => `Loaded image: ${tag}\n`);
}

function emit(context: Context, action: string, image: Image, name: string): void {
  context.engine.emit({ type: 'image', action, actorId: image.id, attributes: { ...image.configuration.config?.Labels, name } });
}
