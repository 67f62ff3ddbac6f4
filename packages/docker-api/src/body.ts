import type { Readable } from 'node:stream';
import type { z } from 'zod';
import { readJson } from '@berth/docker-wire';
import type { FastifyRequest } from 'fastify';
import { invalid } from './faults.ts';

/** No JSON that Docker's clients send comes near this. */
const maxJsonBytes = 4 << 20;

/** A request whose body is larger than Berth reads; answered 413. */
export class BodyTooLarge extends Error {}

/** The body as a stream; empty when there is none. */
export function bodyStream(request: FastifyRequest): Readable {
  return (request.body as Readable | undefined) ?? request.raw;
}

/** Reads and checks a JSON body. */
export async function jsonBody<T>(request: FastifyRequest, schema: z.ZodType<T>, typeName: string): Promise<T> {
  const text = await textBody(request);
  requireJson(request, text);
  return readJson(schema, text, typeName);
}

/** As `jsonBody`, but an empty body is an empty object. */
export async function optionalJsonBody<T>(request: FastifyRequest, schema: z.ZodType<T>, typeName: string): Promise<T> {
  const text = await textBody(request);
  if (text.trim() === '') return readJson(schema, '{}', typeName);
  requireJson(request, text);
  return readJson(schema, text, typeName);
}

async function textBody(request: FastifyRequest): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > maxJsonBytes) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyStream(request)) {
    size += (chunk as Buffer).length;
    if (size > maxJsonBytes) throw new BodyTooLarge();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}

function requireJson(request: FastifyRequest, text: string): void {
  const type = request.headers['content-type'];
  if (type === undefined) {
    if (text === '') return;
    throw invalid('content-type-missing', 'malformed Content-Type header (): mime: no media type');
  }
  if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw invalid('content-type-wrong', `unsupported Content-Type header (${type}): must be 'application/json'`);
  }
}
