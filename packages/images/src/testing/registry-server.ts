import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { configurationOf, digest } from './archives.ts';

export interface Answered {
  readonly type: string;
  readonly body: Buffer;
}

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const CONFIG = 'application/vnd.docker.container.image.v1+json';
const LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

/** A registry in memory, on a loopback port of its own, that can be told to lie. */
export class TestRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>();
  /** `name/reference` → manifest. */
  readonly manifests = new Map<string, Answered>();
  /** `GET /v2/…` of every request so far. */
  readonly requests: string[] = [];
  /** Looks at a request first; true: it has answered. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean> = () => false;
  readonly #server: Server;
  readonly #uploads = new Map<string, Buffer[]>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<TestRegistry> {
    const server = createServer();
    const registry = new TestRegistry(server);
    server.on('request', (request, response) => {
      registry.requests.push(`${request.method} ${request.url}`);
      void registry.#serve(request, response).catch(() => response.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  count(pattern: RegExp): number {
    return this.requests.filter((line) => pattern.test(line)).length;
  }

  put(data: Buffer): { digest: string; size: number } {
    const name = `sha256:${digest(data)}`;
    this.blobs.set(name, data);
    return { digest: name, size: data.length };
  }

  /** An image of plain layers, gzipped on the way in. Gives its manifest's digest and its id. */
  addImage(name: string, tag: string, layers: readonly Buffer[], more: { config?: object; manifest?: object; type?: string } = {}) {
    const config = this.put(configurationOf(layers, more.config));
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, ...config },
      layers: layers.map((layer) => ({ mediaType: LAYER, ...this.put(gzipSync(layer)) })),
      ...more.manifest,
    };
    return { id: config.digest, digest: this.addManifest(name, tag, manifest, more.type ?? MANIFEST), blobs: manifest.layers };
  }

  addManifest(name: string, tag: string, manifest: object, type: string): string {
    const body = Buffer.from(JSON.stringify(manifest));
    const found = `sha256:${digest(body)}`;
    for (const reference of [tag, found]) this.manifests.set(`${name}/${reference}`, { type, body });
    return found;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await this.intercept(request, response)) return;
    const url = new URL(request.url ?? '', 'http://registry');
    const [, name = '', kind = '', reference = ''] = /^\/v2\/(.+)\/(manifests|tags|blobs\/uploads|blobs)\/(.*)$/.exec(url.pathname) ?? [];
    const refuse = (status: number, code: string) =>
      response.writeHead(status).end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replace('_', ' ') }] }));
    if (url.pathname === '/v2/') return void response.end('{}');
    if (kind === 'tags') {
      const tags = [...this.manifests.keys()].filter((key) => key.startsWith(`${name}/`) && !key.includes('sha256:')).map((key) => key.slice(name.length + 1));
      return void (tags.length === 0 ? refuse(404, 'NAME_UNKNOWN') : response.end(JSON.stringify({ name, tags })));
    }
    if (kind === 'manifests' && request.method === 'PUT') {
      const body = await whole(request);
      const found = `sha256:${digest(body)}`;
      for (const key of [reference, found]) this.manifests.set(`${name}/${key}`, { type: request.headers['content-type'] ?? '', body });
      return void response.writeHead(201, { 'docker-content-digest': found }).end();
    }
    if (kind === 'manifests') {
      const manifest = this.manifests.get(`${name}/${reference}`);
      if (manifest === undefined) return void refuse(404, 'MANIFEST_UNKNOWN');
      return void response.writeHead(200, { 'content-type': manifest.type, 'docker-content-digest': `sha256:${digest(manifest.body)}` }).end(manifest.body);
    }
    if (kind === 'blobs') return this.#blob(reference, request, response, refuse);
    if (kind === 'blobs/uploads') return this.#upload(name, reference, url, request, response);
    refuse(404, 'UNSUPPORTED');
  }

  #blob(reference: string, request: IncomingMessage, response: ServerResponse, refuse: (status: number, code: string) => void): void {
    const blob = this.blobs.get(reference);
    if (blob === undefined) return refuse(404, 'BLOB_UNKNOWN');
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = request.headers.range === undefined ? {} : { 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` };
    response.writeHead(request.headers.range === undefined ? 200 : 206, { 'content-length': blob.length - from, ...range });
    response.end(request.method === 'HEAD' ? undefined : blob.subarray(from));
  }

  async #upload(name: string, reference: string, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = reference || String(this.#uploads.size + 1);
    const pieces = this.#uploads.get(id) ?? [];
    this.#uploads.set(id, pieces);
    pieces.push(await whole(request));
    const location = `/v2/${name}/blobs/uploads/${id}`;
    if (request.method === 'DELETE') {
      this.#uploads.delete(id);
      response.writeHead(204).end();
    } else if (request.method !== 'PUT') {
      response.writeHead(202, { location }).end();
    } else {
      const data = Buffer.concat(pieces);
      const matches = `sha256:${digest(data)}` === url.searchParams.get('digest');
      if (matches) this.put(data);
      response.writeHead(matches ? 201 : 400).end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function whole(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
