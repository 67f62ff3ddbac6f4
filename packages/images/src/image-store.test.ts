import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ImageStore } from './image-store.ts';
import { buildLocalImages } from './local/build-local-images.ts';
import { digest, dockerArchive, fault, openStore, silent, smallTar, stream } from './testing/archives.ts';

test('references: names, ids, prefixes', async (context) => {
  const store = await openStore(context);
  const image = await store.import(stream(smallTar('x')), { reference: 'a/b:t', changes: [] });
  for (const text of ['a/b:t', 'docker.io/a/b:t', image.id, image.id.slice(7), image.id.slice(7, 19), image.id.slice(0, 20)])
    assert.equal(store.get(text).id, image.id);
  assert.throws(() => store.get('a/b'), fault('image-not-found', 'No such image: a/b:latest'));
  assert.throws(() => store.get('f'.repeat(64)), fault('image-not-found', `No such image: sha256:${'f'.repeat(64)}`));
  assert.throws(() => store.get('A'), fault('reference-invalid', 'invalid reference format: repository name (library/A) must be lowercase'));
  store.tag(image, 'localhost:5000/c');
  assert.deepEqual(store.get(image.id).tags, ['a/b:t', 'localhost:5000/c:latest']);
  assert.throws(() => store.tag(image, 'not valid'), fault('reference-invalid', 'invalid reference format'));
});

test("rmi: names first, the image with the last one, in Docker's words", async (context) => {
  const store = await openStore(context);
  const image = await store.import(stream(smallTar('x')), { reference: 'a:1', changes: [] });
  const short = image.id.slice(7, 19);
  const free = { force: false, prune: true, users: [] };
  const used = (running: boolean) => ({ containerId: 'c'.repeat(64), imageId: image.id, running });
  store.tag(image, 'b:1');
  await assert.rejects(
    store.remove(short, free),
    fault('image-in-use', `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`),
  );
  assert.deepEqual(await store.remove('a:1', { ...free, users: [used(true)] }), [{ Untagged: 'a:1' }]);
  await assert.rejects(
    store.remove('b:1', { ...free, users: [used(false)] }),
    fault(
      'image-in-use',
      `conflict: unable to remove repository reference "b:1" (must force) - container ${'c'.repeat(12)} is using its referenced image ${short}`,
    ),
  );
  await assert.rejects(
    store.remove(short, { ...free, users: [used(false)] }),
    fault('image-in-use', `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${'c'.repeat(12)}`),
  );
  for (const force of [false, true]) {
    await assert.rejects(
      store.remove(short, { ...free, force, users: [used(true)] }),
      fault('image-in-use', `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${'c'.repeat(12)}`),
    );
  }
  assert.deepEqual(await store.remove(short, free), [{ Untagged: 'b:1' }, { Deleted: image.id }, { Deleted: image.layers[0]?.diffId }]);
  await assert.rejects(store.remove('b:1', free), fault('image-not-found', 'No such image: b:1'));
});

test('rmi deletes only the layers no other image has', async (context) => {
  const store = await openStore(context);
  const [base, top] = [smallTar('base'), smallTar('top')] as [Buffer, Buffer];
  const [lower, upper] = await store.load(
    stream(
      dockerArchive([
        { layers: [base], tags: ['lower:1'] },
        { layers: [base, top], tags: ['upper:1'] },
      ]),
    ),
    silent,
  );
  const removed = await store.remove('upper:1', { force: false, prune: true, users: [] });
  const chain = `sha256:${digest(`sha256:${digest(base)} sha256:${digest(top)}`)}`;
  assert.deepEqual(removed, [{ Untagged: 'upper:1' }, { Deleted: upper?.id }, { Deleted: chain }]);
  assert.ok(lower !== undefined && existsSync(store.rootfs(lower).layers[0]?.path ?? ''));
});

test('leases keep content, across a restart and a forced removal', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-images-'));
  context.after(() => rm(directory, { recursive: true }));
  let files: string[] = [];
  {
    await using store = await ImageStore.open({ directory });
    const image = await store.import(stream(smallTar('leased')), { reference: 'l:1', changes: [] });
    files = store.rootfs(image).layers.map((layer) => layer.path);
    store.lease(image, 'container');
    store.lease(image, 'container');
    await store.remove('l:1', { force: true, prune: true, users: [{ containerId: 'container', imageId: image.id, running: false }] });
    assert.deepEqual(store.list(), []);
    await store.collect();
  }
  await using store = await ImageStore.open({ directory });
  const [image] = store.leased('container');
  assert.ok(image !== undefined);
  assert.deepEqual(
    store.rootfs(image).layers.map((layer) => layer.path),
    files,
  );
  assert.ok(files.every((file) => existsSync(file)));
  assert.throws(() => store.get(image.id), fault('image-not-found'));
  const again = await store.import(stream(smallTar('leased')), { reference: 'again:1', changes: [] });
  assert.equal(again.layers[0]?.diffId, image.layers[0]?.diffId);
  await store.remove('again:1', { force: false, prune: true, users: [] });
  store.unlease('container');
  store.unlease('container');
  await store.collect();
  assert.ok(files.every((file) => !existsSync(file)));
});

test('prune: dangling ones, or all unused, never the used', async (context) => {
  const store = await openStore(context);
  const names = ['a', 'b', 'c'];
  const images = [];
  for (const name of names) images.push(await store.import(stream(smallTar(name)), { reference: `${name}:1`, changes: [] }));
  await store.import(stream(smallTar('new a')), { reference: 'a:1', changes: [] });
  const dangling = await store.prune({ danglingOnly: true, users: [] });
  assert.deepEqual(dangling.deleted, [{ Deleted: images[0]?.id }, { Deleted: images[0]?.layers[0]?.diffId }]);
  assert.equal(dangling.reclaimedBytes, 1);
  const all = await store.prune({ danglingOnly: false, users: [{ imageId: images[1]?.id ?? '' }], matches: (image) => !image.tags.includes('a:1') });
  assert.deepEqual(all.deleted, [{ Untagged: 'c:1' }, { Deleted: images[2]?.id }, { Deleted: images[2]?.layers[0]?.diffId }]);
  assert.deepEqual(
    store
      .list()
      .flatMap((image) => image.tags)
      .sort(),
    ['a:1', 'b:1'],
  );
});

test('two loads of one image at once, and loads against removals', async (context) => {
  const store = await openStore(context);
  const shared = smallTar('shared'.repeat(10_000));
  const archive = (name: string) => dockerArchive([{ layers: [shared, smallTar(name)], tags: [`${name}:1`] }]);
  await Promise.all(['same', 'same', 'same', 'other'].map((name) => store.load(stream(archive(name)), silent)));
  assert.equal(store.list().length, 2);
  const storm = Array.from({ length: 12 }, async (_, index) => {
    const name = `i${index % 3}`;
    await store.load(stream(archive(name)), silent);
    await store.remove(`${name}:1`, { force: true, prune: true, users: [] }).catch(fault('image-not-found'));
    await store.collect();
  });
  await Promise.all(storm);
  for (const image of store.list()) for (const { path } of store.rootfs(image).layers) assert.ok(existsSync(path));
  assert.ok(store.list().every((image) => image.tags.length > 0));
  assert.deepEqual(
    store
      .list()
      .flatMap((image) => image.tags)
      .filter((tag) => !tag.startsWith('i'))
      .sort(),
    ['other:1', 'same:1'],
  );
});

test('a store belongs to one process at a time', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-images-'));
  context.after(() => rm(directory, { recursive: true }));
  await using _store = await ImageStore.open({ directory });
  await assert.rejects(ImageStore.open({ directory }), fault('store-in-use'));
});

test('the local images are made once, and stay away when removed', async (context) => {
  const store = await openStore(context);
  assert.deepEqual(await buildLocalImages(store), ['busybox:latest', 'berth/hello:latest']);
  assert.deepEqual(await buildLocalImages(store), []);
  const other = await openStore(context);
  await buildLocalImages(other);
  assert.equal(other.get('busybox').id, store.get('busybox').id, 'the same busybox gives the same image');
  await store.remove('busybox', { force: false, prune: true, users: [] });
  assert.deepEqual(await buildLocalImages(store), []);
  assert.deepEqual(
    store.list().map((image) => image.tags),
    [['berth/hello:latest']],
  );
});
