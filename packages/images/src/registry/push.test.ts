import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { configurationOf, digest, dockerArchive, fault, openStore, silent, smallTar, stream } from '../testing/archives.ts';
import { TestRegistry } from '../testing/registry-server.ts';

const quiet = { all: false, progress: () => undefined };

async function openRegistry(context: TestContext): Promise<TestRegistry> {
  const registry = await TestRegistry.open();
  context.after(() => registry[Symbol.asyncDispose]());
  return registry;
}

async function pushed(store: Awaited<ReturnType<typeof openStore>>, name: string, all = false): Promise<string[]> {
  const lines: string[] = [];
  await store.registries.push(name, {
    all,
    progress: ({ id, status, progressDetail }) => {
      const { current } = (progressDetail ?? {}) as { current?: number };
      if (status !== undefined && current === undefined) lines.push(id === undefined ? String(status) : `${String(id)}: ${String(status)}`);
    },
  });
  return lines;
}

test('a push of what was loaded, again, and into a neighbouring repository', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context);
  const layer = smallTar('text');
  const [image] = await store.load(stream(dockerArchive([{ layers: [layer], tags: [`${registry.host}/a/b:1`] }])), silent);
  assert.ok(image !== undefined);
  const short = digest(layer).slice(0, 12);
  const lines = await pushed(store, `${registry.host}/a/b:1`);
  const manifest = registry.manifests.get('a/b/1');
  const manifestDigest = `sha256:${digest(manifest?.body ?? '')}`;
  const last = `1: digest: ${manifestDigest} size: ${manifest?.body.length}`;
  assert.deepEqual(lines, [`The push refers to repository [${registry.host}/a/b]`, `${short}: Preparing`, `${short}: Pushed`, last]);
  const { layers, config } = JSON.parse(String(manifest?.body)) as { layers: { digest: string; size: number }[]; config: { digest: string } };
  assert.equal(config.digest, image.id);
  const blob = registry.blobs.get(layers[0]?.digest ?? '');
  assert.equal(blob?.length, layers[0]?.size);
  assert.deepEqual(gunzipSync(blob ?? ''), layer);
  assert.deepEqual(store.get(image.id).digests, [`${registry.host}/a/b@${manifestDigest}`]);

  assert.deepEqual(await pushed(store, `${registry.host}/a/b:1`), [...lines.slice(0, 2), `${short}: Layer already exists`, last]);

  // A registry that mounts, told so by an answer of 201.
  store.tag(image, `${registry.host}/c:2`);
  store.tag(image, `${registry.host}/c:3`);
  registry.blobs.delete(layers[0]?.digest ?? '');
  registry.intercept = (request, response) => {
    if (!request.url?.includes('?mount=')) return false;
    registry.put(blob as Buffer);
    response.writeHead(201).end();
    return true;
  };
  const both = await pushed(store, `${registry.host}/c`, true);
  assert.ok(both.includes(`${short}: Mounted from a/b`), both.join('\n'));
  assert.ok(both.includes(`2: digest: ${manifestDigest} size: ${manifest?.body.length}`));
  assert.ok(both.includes(`3: digest: ${manifestDigest} size: ${manifest?.body.length}`));
});

test('what was pulled keeps its digest when it is pushed elsewhere, whatever form its layers have', async (context) => {
  const from = await openRegistry(context);
  const to = await openRegistry(context);
  const store = await openStore(context);
  const layers = [smallTar('gzip'), smallTar('zstd')];
  const manifest = {
    schemaVersion: 2,
    annotations: { kept: 'verbatim' },
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...from.put(configurationOf(layers)) },
    layers: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...from.put(gzipSync(layers[0] as Buffer, { level: 1 })) },
      { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', ...from.put(zstdCompressSync(layers[1] as Buffer)) },
    ],
  };
  const original = from.addManifest('x', 'latest', manifest, 'application/vnd.oci.image.manifest.v1+json');
  const { images } = await store.registries.pull(`${from.host}/x`, quiet);
  store.tag(images[0] as (typeof images)[0], `${to.host}/y:latest`);
  await pushed(store, `${to.host}/y:latest`);
  assert.equal(to.manifests.get('y/latest')?.type, 'application/vnd.oci.image.manifest.v1+json');
  assert.equal(`sha256:${digest(to.manifests.get('y/latest')?.body ?? '')}`, original);
});

test('two clients push the same at once: it is sent once, both succeed', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context);
  await store.load(stream(dockerArchive([{ layers: [smallTar('text')], tags: [`${registry.host}/same:1`] }])), silent);
  await Promise.all([pushed(store, `${registry.host}/same:1`), pushed(store, `${registry.host}/same:1`)]);
  assert.equal(registry.count(/^PATCH /), 1);
});

test('a push that is cut is tried again; nothing to push is said as dockerd says it', async (context) => {
  const registry = await openRegistry(context);
  const store = await openStore(context, { registries: { retryPauseMs: 1 } });
  await store.load(stream(dockerArchive([{ layers: [smallTar('text')], tags: [`${registry.host}/cut:1`] }])), silent);
  let cuts = 0;
  registry.intercept = (request) => {
    if (request.method !== 'PATCH' || cuts++ > 0) return false;
    request.socket.destroy();
    return true;
  };
  const lines = await pushed(store, `${registry.host}/cut:1`);
  assert.ok(lines.some((line) => line.endsWith('Retrying in 1 second')));
  assert.ok(registry.manifests.has('cut/1'));
  await assert.rejects(
    pushed(store, `${registry.host}/none:1`),
    fault('nothing-to-push', `An image does not exist locally with the tag: ${registry.host}/none`),
  );
  await assert.rejects(pushed(store, `${registry.host}/cut:2`), fault('nothing-to-push', `tag does not exist: ${registry.host}/cut:2`));
});
