import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { ImageStore } from '../image-store.ts';
import { RootfsTar } from '../local/rootfs-tar.ts';
import type { Progress } from '../port.ts';
import { configurationOf, fault, openStore, smallTar } from '../testing/archives.ts';
import { TestRegistry } from '../testing/registry-server.ts';

const quick = { retryPauseMs: 1 };

async function openRegistry(context: TestContext): Promise<TestRegistry> {
  const registry = await TestRegistry.open();
  context.after(() => registry[Symbol.asyncDispose]());
  return registry;
}

const quiet = { all: false, progress: () => undefined };

/** Lines as a client without a terminal prints them. */
function lines(): { progress: Progress; lines: string[] } {
  const found: string[] = [];
  const progress: Progress = ({ id, status, progressDetail }) => {
    const { current } = (progressDetail ?? {}) as { current?: number };
    if (current === undefined) found.push(id === undefined ? String(status) : `${String(id)}: ${String(status)}`);
  };
  return { progress, lines: found };
}

/** Content gzip can't make small. */
function largeTar(bytes: number): Buffer {
  return new RootfsTar().file('large', randomBytes(bytes)).end();
}

test('a pull stores the image with its names and tells it in Docker’s lines', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context);
  const { id, digest, blobs } = registry.addImage('lib/one', '1', [smallTar('a'), smallTar('b')]);
  const told = lines();
  const pulled = await store.registries.pull(`${registry.host}/lib/one:1`, { all: false, progress: told.progress });
  const [lower, upper] = blobs.map((blob) => blob.digest.slice(7, 19));
  assert.deepEqual(
    told.lines.slice().sort(),
    [
      '1: Pulling from lib/one',
      `Digest: ${digest}`,
      `Status: Downloaded newer image for ${registry.host}/lib/one:1`,
      ...[lower, upper].flatMap((short) => ['Download complete', 'Pull complete', 'Pulling fs layer', 'Verifying Checksum'].map((what) => `${short}: ${what}`)),
    ].sort(),
  );
  const [image] = pulled.images;
  assert.equal(image?.id, id);
  assert.deepEqual(image?.tags, [`${registry.host}/lib/one:1`]);
  assert.deepEqual(image?.digests, [`${registry.host}/lib/one@${digest}`]);

  const again = lines();
  await store.registries.pull(`${registry.host}/lib/one:1`, { all: false, progress: again.progress });
  assert.deepEqual(again.lines, ['1: Pulling from lib/one', `Digest: ${digest}`, `Status: Image is up to date for ${registry.host}/lib/one:1`]);
  assert.equal(registry.count(/^GET .*(blobs|manifests)\//), 3 + 1, 'nothing was fetched again');

  const byDigest = await store.registries.pull(`${registry.host}/lib/one@${digest}`, quiet);
  assert.equal(byDigest.images[0]?.id, id);
});

test('all tags, layers shared between them, one fetch each', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context);
  registry.addImage('many', 'a', [smallTar('shared'), smallTar('a')]);
  registry.addImage('many', 'b', [smallTar('shared'), smallTar('b')]);
  const { images } = await store.registries.pull(`${registry.host}/many`, { all: true, progress: () => undefined });
  assert.deepEqual(images.flatMap(({ tags }) => tags).sort(), [`${registry.host}/many:a`, `${registry.host}/many:b`]);
  assert.equal(registry.count(/GET .*blobs\/sha256:/), 2 + 3);
});

test('of an index the platform asked for is taken, this machine’s without one', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context);
  const manifests = ['amd64', 'arm64'].map((architecture) => {
    const { digest } = registry.addImage('multi', architecture, [smallTar(architecture)], { config: { architecture } });
    return {
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      digest,
      size: registry.manifests.get(`multi/${digest}`)?.body.length,
      platform: { os: 'linux', architecture },
    };
  });
  const unknown = { ...manifests[0], digest: `sha256:${'0'.repeat(64)}`, platform: { os: 'unknown', architecture: 'unknown' } };
  const digest = registry.addManifest('multi', 'latest', { schemaVersion: 2, manifests: [unknown, ...manifests] }, 'application/vnd.oci.image.index.v1+json');
  const name = `${registry.host}/multi`;
  const pull = async (platform?: string) => (await store.registries.pull(name, { ...quiet, ...(platform === undefined ? {} : { platform }) })).images[0];
  assert.equal((await pull('linux/arm64/v8'))?.configuration.architecture, 'arm64');
  const own = await pull();
  assert.equal(own?.configuration.architecture, 'amd64');
  assert.deepEqual(own?.digests, [`${name}@${digest}`]);
  await assert.rejects(pull('linux/s390x'), fault('remote-missing', 'no matching manifest for linux/s390x in the manifest list entries'));

  const told = lines();
  registry.addImage('multi', 'single', [smallTar('amd64')], { config: { architecture: 'amd64' } });
  await store.registries.pull(`${name}:single`, { all: false, platform: 'linux/arm64', progress: told.progress });
  assert.match(
    told.lines.join('\n'),
    /WARNING: image with reference .*:single was found but does not match the specified platform: wanted linux\/arm64, actual: linux\/amd64/,
  );
});

test('layers of every form a registry may have', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context);
  const layers = ['gzip', 'zstd', 'plain'].map(smallTar);
  const config = registry.put(configurationOf(layers));
  const forms = [
    ['application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(layers[0] as Buffer)],
    ['application/vnd.oci.image.layer.v1.tar+zstd', zstdCompressSync(layers[1] as Buffer)],
    ['application/vnd.oci.image.layer.v1.tar', layers[2] as Buffer],
  ] as const;
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: forms.map(([mediaType, data]) => ({ mediaType, ...registry.put(data) })),
  };
  registry.addManifest('forms', 'latest', manifest, 'application/vnd.oci.image.manifest.v1+json');
  const { images } = await store.registries.pull(`${registry.host}/forms`, quiet);
  assert.equal(images[0]?.layers.length, 3);
});

test('several pulls at once fetch a layer once; when the one that fetches goes, another takes over from there', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context, { registries: quick });
  const { id, blobs } = registry.addImage('busy', 'latest', [largeTar(3 << 20)]);
  const blob = registry.blobs.get(blobs[0]?.digest ?? '') as Buffer;
  const name = `${registry.host}/busy`;
  const halfway = Promise.withResolvers<void>();
  registry.intercept = (request, response) => {
    if (!request.url?.endsWith(blobs[0]?.digest ?? '-') || request.headers.range !== undefined) return false;
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, 2 << 20), () => halfway.resolve());
    return true;
  };
  const first = new AbortController();
  const told = lines();
  const gone = store.registries.pull(name, { ...quiet, signal: first.signal });
  await halfway.promise;
  const others = [store.registries.pull(name, { all: false, progress: told.progress }), store.registries.pull(name, quiet)];
  await untilFile(store, 1 << 20);
  first.abort(new Error('gone'));
  await assert.rejects(gone, /gone/);
  for (const { images } of await Promise.all(others)) assert.equal(images[0]?.id, id);
  assert.deepEqual(registry.requests.filter((line) => line.includes(blobs[0]?.digest ?? '-')).length, 2, 'the beginning once, the rest once');
  assert.ok(
    told.lines.some((line) => line.endsWith('Pull complete')),
    told.lines.join('\n'),
  );
});

/** Until something has arrived in the store's downloads. */
async function untilFile(store: ImageStore, bytes: number): Promise<void> {
  const { stat } = await import('node:fs/promises');
  const directory = join(store.directory, 'downloads');
  for (let turn = 0; turn < 500; turn++) {
    const sizes = await Promise.all((await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size));
    if (sizes.some((size) => size >= bytes)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('nothing arrived');
}

test('a cut connection is taken up again from where it broke', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context, { registries: quick });
  const { id, blobs } = registry.addImage('cut', 'latest', [largeTar(2 << 20)]);
  const ranges: (string | undefined)[] = [];
  registry.intercept = (request, response) => {
    if (!request.url?.endsWith(blobs[0]?.digest ?? '-')) return false;
    ranges.push(request.headers.range);
    if (ranges.length > 1) return false;
    const blob = registry.blobs.get(blobs[0]?.digest ?? '') as Buffer;
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, 1 << 20), () => response.destroy());
    return true;
  };
  const told = lines();
  const { images } = await store.registries.pull(`${registry.host}/cut`, { all: false, progress: told.progress });
  assert.equal(images[0]?.id, id);
  assert.equal(ranges.length, 2);
  assert.match(ranges[1] ?? '', /^bytes=[1-9]\d*-$/);
  assert.ok(told.lines.some((line) => line.endsWith(': Retrying in 1 second')));
});

test('what was fetched before a crash is used after it: finished layers and the beginning of others', async (context) => {
  const registry = await openRegistry(context);
  const directory = await mkdtemp(join(tmpdir(), 'berth-images-'));
  context.after(() => rm(directory, { recursive: true }));
  const { id, blobs } = registry.addImage('crash', 'latest', [smallTar('finished'), largeTar(2 << 20)]);
  const [small, large] = blobs.map((blob) => blob.digest);
  registry.intercept = (request, response) => {
    if (!request.url?.endsWith(large ?? '-')) return false;
    const blob = registry.blobs.get(large ?? '') as Buffer;
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, 1 << 20), () => setTimeout(() => response.destroy(), 200));
    return true;
  };
  {
    await using store = await ImageStore.open({ directory, registries: quick });
    await assert.rejects(store.registries.pull(`${registry.host}/crash`, quiet), fault('registry-unreachable'));
    assert.deepEqual(store.list(), []);
  }
  registry.intercept = () => false;
  registry.requests.length = 0;
  {
    await using store = await ImageStore.open({ directory, registries: quick });
    const told = lines();
    const { images } = await store.registries.pull(`${registry.host}/crash`, { all: false, progress: told.progress });
    assert.equal(images[0]?.id, id);
    assert.equal(registry.count(new RegExp(small ?? '-')), 0, 'the finished layer was there');
    assert.ok(told.lines.includes(`${small?.slice(7, 19)}: Already exists`));
    assert.deepEqual(await readdir(join(directory, 'downloads')), []);
  }
});

test('an unfinished pull’s leftovers go with a prune', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context, { registries: quick });
  const { blobs } = registry.addImage('left', 'latest', [smallTar('finished'), largeTar(2 << 20)]);
  registry.blobs.delete(blobs[1]?.digest ?? '');
  await assert.rejects(store.registries.pull(`${registry.host}/left`, quiet), fault('remote-missing'));
  await store.prune({ danglingOnly: true, users: [] });
  assert.deepEqual(await readdir(join(store.directory, 'layers')), []);
  assert.deepEqual(await readdir(join(store.directory, 'downloads')), []);
});

test('only registries that are allowed are spoken to, and mirrors are asked first', async (context) => {
  const registry = await openRegistry(context);
  const strict = await openStore(context, { registries: { allowed: ['*.example.org', registry.host] } });
  await assert.rejects(strict.registries.pull('localhost:1/x', quiet), fault('registry-forbidden', /registry localhost:1 is not in the list/));
  await assert.rejects(
    strict.registries.pull(`${registry.host}/x`, quiet),
    fault('remote-missing', `manifest for ${registry.host}/x:latest not found: manifest unknown: manifest unknown`),
  );

  const { id } = registry.addImage('library/busy', 'latest', [smallTar('mirrored')]);
  const mirrored = await openStore(context, { registries: { mirrors: ['http://127.0.0.1:1', `http://${registry.host}`] } });
  const { images } = await mirrored.registries.pull('busy', quiet);
  assert.equal(images[0]?.id, id);
  assert.deepEqual(images[0]?.tags, ['busy:latest']);
});
