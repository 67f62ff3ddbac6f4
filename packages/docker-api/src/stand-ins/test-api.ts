import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Builder, ImageBuilder } from '@berth/builder';
import { openTestEngine, type TestEngine } from '@berth/engine/stand-ins';
import { createDockerApi, type DockerApi } from '../index.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON. */
  json<T = Record<string, unknown>>(): T;
}

/** An endpoint over the test engine, and the means to talk to it. */
export interface TestApi extends AsyncDisposable {
  readonly t: TestEngine;
  readonly api: DockerApi;
  readonly builder: Builder;
  readonly socketPath: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** A raw connection whose sending side can be closed by itself. */
  connect(): Socket;
  /** Creates and starts a container; gives its id. */
  run(args: readonly string[], body?: Record<string, unknown>): Promise<string>;
}

export async function openTestApi(): Promise<TestApi> {
  const directory = await mkdtemp(join(tmpdir(), 'bt-api-'));
  const t = await openTestEngine();
  const quiet = () => undefined;
  const builder = await ImageBuilder.open({ engine: t.engine, directory: join(directory, 'build') });
  const api = createDockerApi({ engine: t.engine, builder, version: '0.0.1', log: { debug: quiet, info: quiet, warn: quiet, error: quiet } });
  const socketPath = join(directory, 'api.sock');
  await api.listen(socketPath);
  const call: TestApi['call'] = (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const type = payload === undefined || 'Content-Type' in headers ? {} : { 'Content-Type': 'application/json' };
      const request = httpRequest(
        {
          socketPath,
          method,
          path,
          headers: { ...type, ...(payload === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(payload)) }), ...headers },
          agent: false,
          timeout: 20_000,
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('end', () => {
            const text = Buffer.concat(parts).toString();
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: () => JSON.parse(text) });
          });
          response.on('error', reject);
        },
      );
      request.on('timeout', () => request.destroy(new Error(`${method} ${path} took too long`)));
      request.on('error', reject);
      request.end(payload);
    });
  return {
    t,
    api,
    builder,
    socketPath,
    call,
    connect: () => connect({ path: socketPath, allowHalfOpen: true }),
    async run(args, body = {}) {
      const made = await call('POST', '/containers/create', { Image: 'busybox', Cmd: args, ...body });
      if (made.status !== 201) throw new Error(made.text);
      const { Id } = made.json<{ Id: string }>();
      const started = await call('POST', `/containers/${Id}/start`);
      if (started.status !== 204) throw new Error(started.text);
      return Id;
    },
    async [Symbol.asyncDispose]() {
      await api.close();
      await t[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}
