import { defaultDetachKeys, frame, parseDetachKeys, parseMoment } from '@berth/docker-wire';
import type { ContainerView, LogOptions, WaitCondition } from '@berth/engine';
import type { FastifyInstance } from 'fastify';
import { pump, streamType } from '../attach-pump.ts';
import type { Context } from '../context.ts';
import { answerFor, invalid, notYet } from '../faults.ts';
import { takeOver } from '../hijack.ts';
import { Query } from '../query.ts';
import { ResponseStream } from '../response-stream.ts';
import { requestMinor } from '../versions.ts';
import { logDetails, logWriter } from '../view/log-lines.ts';
import { StatisticsView } from '../view/statistics.ts';

type WithId = { Params: { id: string } };

/** What flows from and to containers: attach, logs, statistics, and the wait for their end. */
export function containerStreamArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;

  app.post<WithId>('/containers/:id/attach', async (request, reply) => {
    const query = new Query(request);
    const detachKeys = parseDetachKeys(query.text('detachKeys') || defaultDetachKeys);
    const view = engine.container(request.params.id);
    const { id, terminal, openStdin } = view.definition;
    const stop = new AbortController();
    const streams = { stdin: query.flag('stdin') && openStdin, stdout: query.flag('stdout'), stderr: query.flag('stderr') };
    const attachment = await engine.attachContainer(id, {
      ...streams,
      logs: query.flag('logs'),
      stream: query.flag('stream'),
      signal: AbortSignal.any([stop.signal, context.closing]),
    });
    const connection = takeOver(request, reply, streamType(terminal, requestMinor(request.raw)));
    connection.signal.addEventListener('abort', () => stop.abort(), { once: true });
    if (connection.signal.aborted) stop.abort();
    try {
      const outcome = await pump(connection, attachment, { ...streams, terminal, detachKeys, stop: () => stop.abort() });
      if (outcome === 'detached') engine.emit({ type: 'container', action: 'detach', actorId: id, attributes: actorOf(view) });
    } catch (error) {
      context.log.warn({ err: error, container: id }, 'an attached stream broke');
    }
    await connection.end();
  });

  app.get('/containers/:id/attach/ws', () => {
    throw notYet('Attaching by web socket is', 'attach by connection upgrade works');
  });

  app.get<WithId>('/containers/:id/logs', async (request, reply) => {
    const query = new Query(request);
    const wanted = { stdout: query.flag('stdout'), stderr: query.flag('stderr') };
    if (!wanted.stdout && !wanted.stderr) throw invalid('no-stream', 'Bad parameters: you must choose at least one stream');
    const { definition } = engine.container(request.params.id);
    const { id, terminal } = definition;
    const options = { ...wanted, ...logRange(query), follow: query.flag('follow') };
    const timestamps = query.flag('timestamps');
    // Asked for before the head goes out: a log that cannot be read is a status, not a stream.
    const gone = new AbortController();
    const logs = engine.logs(id, { ...options, signal: AbortSignal.any([gone.signal, context.closing]) });
    const stream = new ResponseStream(context, reply, streamType(terminal, requestMinor(request.raw)));
    stream.signal.addEventListener('abort', () => gone.abort(), { once: true });
    const write = logWriter({ terminal, timestamps, details: query.flag('details') ? logDetails(definition) : '' });
    try {
      for await (const records of logs) if (!(await stream.write(write(records)))) break;
    } catch (error) {
      if (!stream.signal.aborted) {
        context.log.warn({ err: error, container: id }, 'a log stream broke');
        const message = Buffer.from(`${answerFor(error).message}\n`);
        await stream.write(terminal ? message : frame('systemerr', message));
      }
    }
    stream.end();
  });

  app.get<WithId>('/containers/:id/stats', async (request, reply) => {
    const query = new Query(request);
    const { id } = engine.container(request.params.id).definition;
    const endless = query.flag('stream', true);
    const view = new StatisticsView(engine, id);
    if (!endless && query.flag('one-shot')) return view.sample();
    const stream = new ResponseStream(context, reply, 'application/json');
    try {
      if (endless) {
        for await (const sample of view.every(1000, stream.signal)) if (!(await stream.writeJson(sample))) break;
      } else {
        // Two samples, so that the one given has a previous one to compare with.
        await view.sample();
        await view.pause(1000, stream.signal);
        await stream.writeJson(await view.sample());
      }
    } catch (error) {
      if (!stream.signal.aborted) await stream.fail(error);
    }
    stream.end();
    return reply;
  });

  app.post<WithId>('/containers/:id/wait', async (request, reply) => {
    const text = new Query(request).text('condition') || 'not-running';
    const { id } = engine.container(request.params.id).definition;
    if (!isCondition(text)) throw invalid('condition-invalid', `invalid condition: ${JSON.stringify(text)}`);
    // Registered before the head goes out: the client starts the container when it sees the head.
    const gone = new AbortController();
    const result = engine.waitContainer(id, text, AbortSignal.any([gone.signal, context.closing]));
    result.catch(() => undefined);
    const stream = new ResponseStream(context, reply, 'application/json');
    stream.signal.addEventListener('abort', () => gone.abort(), { once: true });
    try {
      const { exitCode, error } = await result;
      const failure = error === undefined || error === '' ? undefined : { Message: error };
      await stream.writeJson({ ...(failure === undefined && requestMinor(request.raw) >= 42 ? {} : { Error: failure ?? null }), StatusCode: exitCode });
    } catch (error) {
      if (!stream.signal.aborted) await stream.writeJson({ StatusCode: -1, Error: { Message: answerFor(error).message } });
    }
    stream.end();
  });
}

function isCondition(text: string): text is WaitCondition {
  return text === 'not-running' || text === 'next-exit' || text === 'removed';
}

function logRange(query: Query): Pick<LogOptions, 'sinceNs' | 'untilNs' | 'tail'> {
  const now = Date.now();
  const moment = (name: string) => (['', '0'].includes(query.text(name)) ? undefined : parseMoment(query.text(name), now));
  const sinceNs = moment('since');
  const untilNs = moment('until');
  const tail = query.text('tail');
  return {
    ...(sinceNs === undefined ? {} : { sinceNs }),
    // Docker's bound is inclusive.
    ...(untilNs === undefined ? {} : { untilNs: untilNs + 1n }),
    // Anything that is no number means all, as in Docker.
    ...(/^\d+$/.test(tail) ? { tail: Number(tail) } : {}),
  };
}

function actorOf(view: ContainerView): Record<string, string> {
  return { ...view.definition.labels, image: view.definition.imageReference, name: view.definition.name };
}
