import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import { answerFor } from './faults.ts';
import type { Context } from './context.ts';
import { commonHeaders } from './headers.ts';

/** Aborted when the client of a request goes or the endpoint closes. */
export function clientGone(context: Context, reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  reply.raw.on('error', () => gone.abort());
  return AbortSignal.any([gone.signal, context.closing]);
}

/**
 * A response written piece by piece (logs, events, statistics, wait, image archives). The head goes out at once: clients
 * such as `docker run` wait for it before they go on.
 */
export class ResponseStream {
  /** Aborted when the client goes or the endpoint closes. */
  readonly signal: AbortSignal;
  readonly #reply: FastifyReply;
  readonly #context: Context;

  constructor(context: Context, reply: FastifyReply, contentType: string, headers: Readonly<Record<string, string>> = {}) {
    this.#reply = reply;
    this.#context = context;
    reply.hijack();
    this.signal = clientGone(context, reply);
    reply.raw.writeHead(200, { ...commonHeaders(context), ...headers, 'Content-Type': contentType });
    reply.raw.flushHeaders();
  }

  /** Resolves when the client has room for more; false when it is gone. */
  async write(data: Buffer | string): Promise<boolean> {
    if (this.signal.aborted || this.#reply.raw.destroyed) return false;
    if (this.#reply.raw.write(data)) return true;
    try {
      await once(this.#reply.raw, 'drain', { signal: this.signal });
      return true;
    } catch {
      return false;
    }
  }

  writeJson(value: unknown): Promise<boolean> {
    return this.write(`${JSON.stringify(value)}\n`);
  }

  end(): void {
    if (!this.#reply.raw.destroyed) this.#reply.raw.end();
  }

  /** Docker's last words in a stream of JSON messages that has already begun. */
  async fail(error: unknown, code?: number): Promise<void> {
    const answer = answerFor(error);
    if (answer.id !== undefined) this.#context.log.error({ err: error, id: answer.id }, 'a stream failed');
    await this.writeJson({ errorDetail: { ...(code === undefined ? {} : { code }), message: answer.message }, error: answer.message });
  }
}
