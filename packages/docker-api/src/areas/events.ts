import { Filters, parseMoment } from '@berth/docker-wire';
import type { EngineEvent } from '@berth/engine';
import type { FastifyInstance } from 'fastify';
import type { Context } from '../context.ts';
import { invalid } from '../faults.ts';
import { Query } from '../query.ts';
import { ResponseStream } from '../response-stream.ts';

/** `docker events`: past ones since a moment, then live ones until a moment or until the client goes. */
export function eventArea(app: FastifyInstance, context: Context): void {
  app.get('/events', async (request, reply) => {
    const query = new Query(request);
    const now = Date.now();
    const moment = (name: string) => (query.text(name) === '' ? undefined : parseMoment(query.text(name), now));
    const sinceNs = moment('since');
    const untilNs = moment('until');
    if (sinceNs !== undefined && untilNs !== undefined && untilNs < sinceNs) {
      throw invalid('moments-crossed', `\`since\` time (${query.text('since')}) cannot be after \`until\` time (${query.text('until')})`);
    }
    // Docker ignores filters it doesn't know here.
    const filters = Filters.parse(query.text('filters'), undefined);
    const stream = new ResponseStream(context, reply, 'application/json');
    try {
      const events = context.engine.events({
        ...(sinceNs === undefined ? {} : { sinceNs }),
        ...(untilNs === undefined ? {} : { untilNs }),
        signal: stream.signal,
      });
      for await (const event of events) {
        if (!matches(event, filters)) continue;
        if (!(await stream.write(`${eventJson(event)}\n`))) break;
      }
    } catch (error) {
      if (!stream.signal.aborted) await stream.fail(error);
    }
    stream.end();
  });
}

function matches(event: EngineEvent, filters: Filters): boolean {
  const { attributes, actorId, type } = event;
  const named = (wanted: string) => actorId.startsWith(wanted) || attributes['name'] === wanted;
  const ofType = (name: string, test: (wanted: string) => boolean) => !filters.has(name) || filters.any(name, test);
  return (
    filters.any('event', (wanted) => event.action === wanted || event.action.startsWith(`${wanted}:`)) &&
    filters.any('type', (wanted) => type === wanted) &&
    filters.any('scope', (wanted) => wanted === 'local') &&
    filters.labels(attributes) &&
    ofType('container', (wanted) => (type === 'container' ? named(wanted) : attributes['container'] === wanted)) &&
    ofType('image', (wanted) => matchesImage(event, wanted)) &&
    ofType('network', (wanted) => type === 'network' && named(wanted)) &&
    ofType('volume', (wanted) => type === 'volume' && named(wanted)) &&
    ofType('daemon', (wanted) => type === 'daemon' && named(wanted)) &&
    !filters.values('plugin').some(() => true)
  );
}

function matchesImage({ type, actorId, attributes }: EngineEvent, wanted: string): boolean {
  const withoutTag = (reference: string | undefined) => reference?.replace(/:[^:/]*$/, '');
  const name = type === 'image' ? attributes['name'] : type === 'container' ? attributes['image'] : undefined;
  return actorId === wanted || (name !== undefined && (name === wanted || withoutTag(name) === wanted));
}

/** One line. The fields before `Type` are those of old clients. Nanoseconds don't fit a JavaScript number. */
function eventJson(event: EngineEvent): string {
  const legacy =
    event.type === 'container' || event.type === 'image'
      ? { status: event.action, id: event.actorId, ...(event.type === 'container' ? { from: event.attributes['image'] ?? '' } : {}) }
      : {};
  const line = JSON.stringify({
    ...legacy,
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.actorId, Attributes: event.attributes },
    scope: 'local',
    time: Number(event.timeNs / 1_000_000_000n),
  });
  return `${line.slice(0, -1)},"timeNano":${event.timeNs}}`;
}
