import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ImageStore } from '../image-store.ts';
import { RootfsTar } from '../local/rootfs-tar.ts';
import { configurationOf, fault, openStore, smallTar } from '../testing/archives.ts';
import { TestRegistry } from '../testing/registry-server.ts';

const quiet = { all: false, progress: () => undefined };
const KIB = 1024;

/** A registry with one good image, and a store that has nothing when the test has ended. */
async function scene(
  context: TestContext,
  options: Parameters<typeof openStore>[1] = {},
): Promise<{ registry: TestRegistry; store: ImageStore; name: string }> {
  const registry = await TestRegistry.open();
  context.after(() => registry[Symbol.asyncDispose]());
  const store = await openStore(context, { registries: { retryPauseMs: 1 }, ...options });
  return { registry, store, name: `${registry.host}/lie` };
}

async function refused(store: ImageStore, name: string, code: string, message: RegExp): Promise<void> {
  await assert.rejects(store.registries.pull(name, quiet), fault(code, message));
  assert.deepEqual(store.list(), []);
  assert.deepEqual(await readdir(join(store.directory, 'incoming')), []);
}

test('a bit that has flipped on the way is refused, and what had arrived is thrown away', async (context) => {
  const { registry, store, name } = await scene(context);
  const { blobs, id } = registry.addImage('lie', 'latest', [smallTar('text')]);
  const digest = blobs[0]?.digest ?? '';
  const good = registry.blobs.get(digest) as Buffer;
  const bad = Buffer.from(good);
  bad[bad.length >> 1] = (bad[bad.length >> 1] ?? 0) ^ 1;
  registry.blobs.set(digest, bad);
  await refused(store, name, 'registry-answer-invalid', /^filesystem layer verification failed for digest sha256:/);
  registry.blobs.set(digest, good);
  assert.equal((await store.registries.pull(name, quiet)).images[0]?.id, id);
});

test('a configuration or manifest that is not what its digest says', async (context) => {
  const { registry, store, name } = await scene(context);
  const { id, digest } = registry.addImage('lie', 'latest', [smallTar('text')]);
  const config = registry.blobs.get(id) as Buffer;
  registry.blobs.set(id, Buffer.from(config.toString().replace('amd64', 'arm64')));
  await refused(store, name, 'digest-mismatch', /^invalid image config/);
  const other = registry.manifests.get(`lie/${digest}`);
  registry.manifests.set(`lie/${digest}`, { type: other?.type ?? '', body: Buffer.from(`${other?.body.toString()} `) });
  await refused(store, `${name}@${digest}`, 'registry-answer-invalid', /^manifest verification failed for digest/);
});

test('sizes that are not so', async (context) => {
  const { registry, store, name } = await scene(context);
  const layer = smallTar('text');
  const { size } = registry.put(gzipSync(layer));
  const withSize = (change: number) => {
    const blob = registry.put(gzipSync(layer));
    registry.addImage('lie', 'latest', [layer], {
      manifest: { layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...blob, size: size + change }] },
    });
  };
  withSize(7);
  await refused(store, name, 'registry-answer-invalid', /the registry sends \d+ bytes, the manifest says \d+/);
  withSize(-7);
  await refused(store, name, 'registry-answer-invalid', /the registry sends \d+ bytes, the manifest says \d+/);
  withSize(2 ** 50);
  await refused(store, name, 'registry-answer-invalid', /larger than the limit/);
  // Without a Content-Length the bytes themselves tell.
  registry.intercept = (request, response) => {
    const blob = registry.blobs.get(/blobs\/(sha256:.*)$/.exec(request.url ?? '')?.[1] ?? '');
    if (blob === undefined || blob[0] === 0x7b) return false;
    response.writeHead(200, { 'transfer-encoding': 'chunked' });
    response.end(blob);
    return true;
  };
  withSize(-7);
  await refused(store, name, 'registry-answer-invalid', /sends more than the \d+ bytes the manifest says/);
});

test('kinds that are not so', async (context) => {
  const { registry, store, name } = await scene(context);
  registry.addImage('lie', 'latest', [smallTar('x')], { type: 'text/html' });
  await refused(store, name, 'registry-answer-invalid', /^unsupported manifest media type "text\/html": is this a registry\?/);
  registry.addImage('lie', 'latest', [smallTar('x')], { type: 'application/vnd.docker.distribution.manifest.v1+prettyjws' });
  await refused(store, name, 'registry-answer-invalid', /^schema 1 manifests are not supported/);
  registry.addImage('lie', 'latest', [smallTar('x')], { type: 'application/vnd.oci.image.manifest.v1+json' });
  await refused(store, name, 'registry-answer-invalid', /the manifest itself says/);
  registry.addImage('lie', 'latest', [smallTar('x')], {
    manifest: { config: { mediaType: 'application/vnd.cncf.helm.config.v1+json', ...registry.put(Buffer.from('{}')) } },
  });
  await refused(store, name, 'registry-answer-invalid', /is no container image but "application\/vnd.cncf.helm/);
  const foreign = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    ...registry.put(gzipSync(smallTar('x'))),
    urls: ['http://127.0.0.1/'],
  };
  registry.addImage('lie', 'latest', [smallTar('x')], { manifest: { layers: [foreign] } });
  await refused(store, name, 'registry-answer-invalid', /layers of type ".*foreign.*" can't be read/);
  registry.addImage('lie', 'latest', [smallTar('x')], { manifest: { layers: [] } });
  await refused(store, name, 'registry-answer-invalid', /layers from manifest don't match image configuration/);
  registry.addImage('lie', 'latest', [smallTar('x')], { config: { os: 'windows' } });
  await refused(store, name, 'registry-answer-invalid', /image operating system "windows" cannot be used on this platform/);
  const index = { schemaVersion: 2, manifests: [{ ...registry.put(Buffer.from('{}')), platform: { os: 'linux', architecture: 'amd64' } }] };
  registry.addManifest('lie', index.manifests[0]?.digest ?? '', {}, 'application/vnd.oci.image.index.v1+json');
  registry.addManifest('lie', 'latest', index, 'application/vnd.oci.image.index.v1+json');
  await refused(store, name, 'remote-missing', /no matching manifest/);
  // A layer that is whole, but not the one the configuration speaks of.
  const config = registry.put(configurationOf([smallTar('promised')]));
  registry.addImage('lie', 'latest', [smallTar('given')], { manifest: { config: { mediaType: 'application/vnd.docker.container.image.v1+json', ...config } } });
  await refused(store, name, 'digest-mismatch', /^invalid diffID for layer 0/);
});

test('bodies without end', { timeout: 30_000 }, async (context) => {
  const { registry, store, name } = await scene(context, { limits: { documentBytes: 64 * KIB } });
  const endless = (type: string) => {
    registry.intercept = (request, response) => {
      if (request.url === '/v2/') return false;
      response.writeHead(200, { 'content-type': type });
      // What has no body has no end of it to wait for.
      if (request.method === 'HEAD') return response.end() !== undefined;
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(16 * KIB, 0x20)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
      return true;
    };
  };
  endless('application/vnd.docker.distribution.manifest.v2+json');
  await refused(store, name, 'registry-answer-invalid', /^a manifest from .* is larger than 65536 bytes$/);
  await assert.rejects(store.registries.pull(name, { ...quiet, all: true }), fault('registry-answer-invalid', /^a list of tags from .* is larger/));
  await assert.rejects(store.registries.search(`${registry.host}/x`, { limit: 1 }), fault('registry-answer-invalid', /^a search result/));
});

test('a small blob that unpacks to a large one stops at the limit', async (context) => {
  const { registry, store, name } = await scene(context, { limits: { layerBytes: 4 << 20 } });
  registry.addImage('lie', 'latest', [new RootfsTar().file('bomb', Buffer.alloc(32 << 20)).end()]);
  await refused(store, name, 'layer-too-large', /^layer is larger than the limit of 4194304 bytes when unpacked$/);
  assert.deepEqual(await readdir(join(store.directory, 'downloads')), [], 'it is not kept for another time');
});

test('redirects: to the registry’s own host they are followed, to other internal places not', async (context) => {
  const { registry, store, name } = await scene(context);
  const { blobs, id } = registry.addImage('lie', 'latest', [smallTar('text')]);
  const layer = blobs[0]?.digest ?? '';
  const headers: NodeJS.Dict<string | string[]>[] = [];
  const storage = createServer((request, response) => {
    headers.push(request.headers);
    response.end(registry.blobs.get(layer));
  });
  await new Promise<void>((resolve) => storage.listen(0, '127.0.0.1', resolve));
  context.after(() => storage.close());
  const { port } = storage.address() as { port: number };
  const send = (location: string) => {
    registry.intercept = (request, response) => {
      if (!request.url?.endsWith(layer)) return false;
      response.writeHead(307, { location }).end();
      return true;
    };
  };
  for (const target of [
    'http://localhost:1/x',
    'http://127.0.0.2/x',
    'http://10.1.2.3/x',
    'http://169.254.169.254/latest',
    'http://[::1]/x',
    'http://[::ffff:10.0.0.1]/x',
    'http://2130706434/x',
  ]) {
    send(target);
    await refused(store, name, 'redirect-refused', /^registry .* sends us to another place, refused: .*internal address$/);
  }
  send('file:///etc/passwd');
  await refused(store, name, 'redirect-refused', /file:\/\/ is no way to fetch anything/);
  send('/v2/lie/blobs/' + layer);
  await refused(store, name, 'redirect-refused', /sends us on without end/);
  const trusting = await openStore(context, { registries: { trusted: ['127.0.0.2'] } });
  send(`http://127.0.0.1:${port}/blob`);
  assert.equal((await trusting.registries.pull(name, { ...quiet, credentials: { registryToken: 'secret' } })).images[0]?.id, id);
  assert.equal(headers[0]?.['authorization'], undefined, 'credentials stay with the registry');
});

test('a token server inside the network is not asked for tokens', async (context) => {
  const { registry, store, name } = await scene(context);
  registry.intercept = (_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://192.168.0.1/token",service="x"' }).end();
    return true;
  };
  await refused(store, name, 'redirect-refused', /192\.168\.0\.1 is an internal address/);
});
