import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Fault, isFault } from '@berth/kit';
import { run } from '@berth/sys';
import { ImageStore, type ImageStoreOptions } from './image-store.ts';
import { buildLocalImages } from './local/build-local-images.ts';
import { RootfsTar } from './local/rootfs-tar.ts';

/** A store of its own, closed and deleted at the end, when nothing unfinished may lie in it. */
async function openStore(context: TestContext, options: Partial<ImageStoreOptions> = {}): Promise<ImageStore> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-images-'));
  const store = await ImageStore.open({ directory, ...options });
  context.after(async () => {
    await store[Symbol.asyncDispose]();
    const left = await readdir(join(directory, 'incoming'));
    await rm(directory, { recursive: true });
    assert.deepEqual(left, [], 'unfinished files were left');
  });
  return store;
}

const digest = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
const stream = (data: Buffer) => Readable.from([data]);
const silent = { progress: () => undefined };

function smallTar(text: string): Buffer {
  return new RootfsTar().directory('etc').file('etc/text', text).end();
}

function fault(code: string, message?: string | RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isFault(error, code), `${(error as Fault).code}: ${(error as Error).message}`);
    if (typeof message === 'string') assert.equal(error.message, message);
    if (message instanceof RegExp) assert.match(error.message, message);
    return true;
  };
}

interface Draft {
  readonly layers: readonly Buffer[];
  readonly tags?: readonly string[] | null;
  readonly config?: object;
}

function configurationOf(layers: readonly Buffer[], more: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${digest(layer)}`) }, ...more }));
}

/** As Docker before 25 wrote it. */
function dockerArchive(images: readonly Draft[]): Buffer {
  const tar = new RootfsTar();
  const manifest = images.map(({ layers, tags = null, config }, number) => {
    const configuration = configurationOf(layers, config);
    const name = `${digest(configuration)}.json`;
    tar.file(name, configuration);
    const paths = layers.map((layer, position) => {
      tar.file(`layer${number}-${position}/layer.tar`, layer);
      return `layer${number}-${position}/layer.tar`;
    });
    return { Config: name, RepoTags: tags, Layers: paths };
  });
  return tar.file('manifest.json', JSON.stringify(manifest)).end();
}

/** An image layout whose index points to an index with one manifest for each platform. */
function ociArchive(platforms: readonly { architecture: string; layer: Buffer; type: string }[], name?: string): Buffer {
  const tar = new RootfsTar().file('oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  const blob = (data: Buffer) => {
    tar.file(`blobs/sha256/${digest(data)}`, data);
    return { digest: `sha256:${digest(data)}`, size: data.length };
  };
  const manifests = platforms.map(({ architecture, layer, type }) => {
    const configuration = blob(configurationOf([layer], { architecture }));
    const data = type.endsWith('gzip') ? gzipSync(layer) : type.endsWith('zstd') ? zstdCompressSync(layer) : layer;
    const manifest = { schemaVersion: 2, config: { ...configuration, mediaType: 'application/vnd.oci.image.config.v1+json' }, layers: [{ ...blob(data), mediaType: type }] };
    return { ...blob(Buffer.from(JSON.stringify(manifest))), mediaType: 'application/vnd.oci.image.manifest.v1+json', platform: { os: 'linux', architecture } };
  });
  const inner = { ...blob(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))), mediaType: 'application/vnd.oci.image.index.v1+json' };
  const annotations = name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } };
  return tar.file('index.json', JSON.stringify({ schemaVersion: 2, manifests: [{ ...inner, ...annotations }] })).end();
}

test('import: an image of one layer, with changes applied', async (context) => {
  const store = await openStore(context, { now: () => Date.UTC(2026, 0, 2) });
  const tar = smallTar('hello');
  const image = await store.import(stream(tar), {
    reference: 'mine:1',
    message: 'made by hand',
    changes: ['CMD ["sh", "-c", "true"]', 'ENV A=1 B="two words"', 'EXPOSE 80 90/udp', 'LABEL x=$A', 'WORKDIR /a', 'WORKDIR b', 'USER 1:2', 'VOLUME /data', 'STOPSIGNAL SIGINT', 'ENTRYPOINT run me'],
  });
  assert.deepEqual(image.configuration, {
    os: 'linux',
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    comment: 'made by hand',
    config: {
      Cmd: ['sh', '-c', 'true'], Env: ['A=1', 'B=two words'], ExposedPorts: { '80/tcp': {}, '90/udp': {} }, Labels: { x: '1' }, WorkingDir: '/a/b', User: '1:2',
      Volumes: { '/data': {} }, StopSignal: 'SIGINT', Entrypoint: ['/bin/sh', '-c', 'run me'],
    },
    created: '2026-01-02T00:00:00.000Z',
    history: [{ created: '2026-01-02T00:00:00.000Z', comment: 'made by hand' }],
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest(tar)}`] },
  });
  assert.deepEqual([image.tags, image.sizeBytes, image.createdAtMs], [['mine:1'], 5, Date.UTC(2026, 0, 2)]);
  assert.deepEqual(store.get('mine:1'), image);
  assert.equal(store.rootfs(image).layers.length, 1);
  assert.ok(existsSync(store.rootfs(image).layers[0]?.path ?? ''));
});

test('import: every compression gives the same layer', async (context) => {
  const store = await openStore(context);
  const tar = smallTar('compressed');
  const through = async (tool: string) => Buffer.from((await run('sh', ['-c', `${tool} | base64 -w0`], { input: tar })).stdout, 'base64');
  const inputs = [tar, gzipSync(tar), zstdCompressSync(tar), await through('xz'), await through('bzip2'), Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))])];
  for (const input of inputs) {
    const image = await store.import(stream(input), { changes: [] });
    assert.equal(image.layers[0]?.diffId, `sha256:${digest(tar)}`);
  }
});

test('import: refusals leave nothing', async (context) => {
  const store = await openStore(context, { limits: { layerBytes: 100_000, layerEntries: 50 } });
  const tar = smallTar('x');
  const attempts: [Buffer, string, RegExp][] = [
    [tar.subarray(0, 900), 'tar-invalid', /unexpected EOF/],
    [gzipSync(tar).subarray(0, 60), 'tar-invalid', /broken gzip/],
    [Buffer.from('BZh nonsense'), 'tar-invalid', /broken bzip2/],
    [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 1, 2, 3]), 'tar-invalid', /broken xz/],
    [Buffer.from('just text, long enough to be looked at'.repeat(30)), 'tar-invalid', /invalid tar header/],
    [new RootfsTar().file('../etc/passwd', 'x').end(), 'tar-invalid', /outside of the root/],
    [gzipSync(new RootfsTar().file('bomb', Buffer.alloc(5_000_000)).end()), 'layer-too-large', /limit of 100000 bytes/],
    [Array.from({ length: 51 }).reduce<RootfsTar>((made, _, index) => made.file(`f${index}`, ''), new RootfsTar()).end(), 'too-many-entries', /more than 50/],
  ];
  for (const [data, code, pattern] of attempts) await assert.rejects(store.import(stream(data), { changes: [], reference: 'bad' }), fault(code, pattern));
  await assert.rejects(store.import(stream(tar), { changes: ['RUN x'] }), fault('change-invalid', 'run is not a valid change command'));
  await assert.rejects(store.import(stream(tar), { changes: [], reference: 'Bad' }), fault('reference-invalid'));
  await assert.rejects(store.import(stream(tar), { changes: [], platform: 'windows/amd64' }), fault('platform-unsupported'));
  assert.deepEqual(store.list(), []);
  assert.equal(await store.collect(), 0);
});

test('an import whose stream hangs ends with its signal', async (context) => {
  const store = await openStore(context);
  const abort = new AbortController();
  const hanging = new Readable({ read: () => undefined });
  hanging.push(smallTar('x').subarray(0, 600));
  const importing = store.import(hanging, { changes: [], signal: abort.signal });
  abort.abort(new Error('enough'));
  await assert.rejects(importing, /enough/);
});

test('load: Docker archives, several images, links between layers, names taken over', async (context) => {
  const store = await openStore(context);
  const [base, top, other] = [smallTar('base'), smallTar('top'), smallTar('other')] as [Buffer, Buffer, Buffer];
  const said: object[] = [];
  const archive = dockerArchive([{ layers: [base, top], tags: ['one:1', 'docker.io/library/uno:latest'] }, { layers: [base, other], tags: null }]);
  const [first, second] = await store.load(stream(archive), { progress: (line) => said.push(line) });
  assert.deepEqual(first?.tags, ['one:1', 'uno:latest']);
  assert.equal(first?.layers[0]?.diffId, second?.layers[0]?.diffId);
  assert.deepEqual(said.filter((line) => 'stream' in line), [
    { stream: 'Loaded image: one:1\n' }, { stream: 'Loaded image: uno:latest\n' }, { stream: `Loaded image ID: ${second?.id}\n` },
  ]);
  said.length = 0;
  await store.load(stream(gzipSync(dockerArchive([{ layers: [other], tags: ['one:1'] }]))), { progress: (line) => said.push(line) });
  assert.deepEqual(said.at(-2), { stream: `The image one:1 already exists, renaming the old one with ID ${first?.id} to empty string\n` });
  assert.deepEqual(store.get('uno').tags, ['uno:latest']);

  const configuration = configurationOf([base, base]);
  const linked = new RootfsTar()
    .file('c.json', configuration)
    .file('a/layer.tar', base)
    .symlink('b/layer.tar', '../a/layer.tar')
    .file('manifest.json', JSON.stringify([{ Config: 'c.json', RepoTags: ['linked:latest'], Layers: ['a/layer.tar', 'b/layer.tar'] }]))
    .end();
  const [image] = await store.load(stream(linked), silent);
  assert.equal(image?.id, `sha256:${digest(configuration)}`);
});

test('load: OCI layouts, by platform, in each compression', async (context) => {
  const store = await openStore(context);
  const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
  for (const suffix of ['', '+gzip', '+zstd']) {
    const layer = smallTar(`oci ${suffix}`);
    const type = `application/vnd.oci.image.layer.v1.tar${suffix}`;
    const archive = ociArchive([{ architecture: 'riscv64', layer: smallTar('wrong'), type }, { architecture: own, layer, type }], 'registry.example/app:v1');
    const [image] = await store.load(stream(archive), silent);
    assert.deepEqual([image?.layers[0]?.diffId, image?.tags], [`sha256:${digest(layer)}`, ['registry.example/app:v1']]);
  }
  const foreign = ociArchive([{ architecture: 'riscv64', layer: smallTar('wrong'), type: 'application/vnd.oci.image.layer.v1.tar' }]);
  await assert.rejects(store.load(stream(foreign), silent), fault('archive-invalid', /no image for platform/));
});

test('load: what is wrong is refused by its name, and leaves nothing', async (context) => {
  const store = await openStore(context, { limits: { archiveBytes: 1_000_000, archiveEntries: 30, documentBytes: 50_000 } });
  const [layer, other] = [smallTar('right'), smallTar('wrong')] as [Buffer, Buffer];
  const configuration = configurationOf([layer]);
  const oneImage = (layerData: Buffer, config = configuration, name = `${digest(config)}.json`) =>
    new RootfsTar().file(name, config).file('l/layer.tar', layerData).file('manifest.json', JSON.stringify([{ Config: name, RepoTags: ['bad:1'], Layers: ['l/layer.tar'] }])).end();
  const blobName = `blobs/sha256/${digest(layer)}`;
  const attempts: [Buffer, string, string | RegExp][] = [
    [oneImage(other), 'digest-mismatch', `invalid diffID for layer 0: expected "sha256:${digest(layer)}", got "sha256:${digest(other)}"`],
    [oneImage(layer, configuration, `${'0'.repeat(64)}.json`), 'digest-mismatch', /invalid digest for 0000/],
    [new RootfsTar().file('c.json', configuration).file(blobName, other).file('manifest.json', JSON.stringify([{ Config: 'c.json', Layers: [blobName] }])).end(), 'digest-mismatch', /invalid digest for blobs/],
    [oneImage(layer, configurationOf([layer, other])), 'archive-invalid', 'invalid manifest, layers length mismatch: expected 1, got 2'],
    [oneImage(layer, configurationOf([layer], { os: 'windows' })), 'platform-unsupported', 'cannot load windows image on linux'],
    [oneImage(layer, Buffer.from('{"rootfs":{"type":"layers","diff_ids":["md5:1"]}}')), 'archive-invalid', /rootfs.diff_ids.0: unsupported digest/],
    [oneImage(layer, Buffer.from('{')), 'archive-invalid', /is not JSON/],
    [new RootfsTar().file('x', 'y').end(), 'archive-invalid', /does not contain a manifest.json/],
    [new RootfsTar().file('manifest.json', '[{"Config":"../../etc/passwd","Layers":[]}]').end(), 'tar-invalid', /outside of the root/],
    [new RootfsTar().file('manifest.json', '[{"Config":"c.json","Layers":[]}]').symlink('c.json', '/etc/passwd').end(), 'archive-invalid', 'invalid archive: c.json is missing'],
    [new RootfsTar().file('manifest.json', '[{"Config":"c.json","Layers":[]}]').symlink('c.json', 'c.json').end(), 'archive-invalid', /c.json is missing/],
    [new RootfsTar().file('manifest.json', ' '.repeat(60_000)).end(), 'archive-invalid', /too large/],
    [gzipSync(new RootfsTar().file('zeros', Buffer.alloc(3_000_000)).end()), 'archive-too-large', /limit of 1000000/],
    [Array.from({ length: 31 }).reduce<RootfsTar>((made, _, index) => made.file(`f${index}`, ''), new RootfsTar()).end(), 'too-many-entries', /more than 30/],
    [dockerArchive([{ layers: [layer], tags: ['Bad'] }]), 'reference-invalid', /must be lowercase/],
    [dockerArchive([{ layers: [layer] }]).subarray(0, 2000), 'tar-invalid', /unexpected EOF/],
  ];
  for (const [data, code, message] of attempts) await assert.rejects(store.load(stream(data), silent), fault(code, message));
  assert.deepEqual(store.list(), []);
  await store.collect();
  const [image] = await store.load(stream(oneImage(layer)), silent);
  assert.equal(image?.tags[0], 'bad:1', 'and what is right is taken after all that');
});

test('save and load give the same image, and the same bytes each time', async (context) => {
  const [store, elsewhere] = [await openStore(context), await openStore(context)];
  await store.load(stream(dockerArchive([{ layers: [smallTar('a'), smallTar('b')], tags: ['x:1', 'y:2'] }, { layers: [smallTar('c')], tags: ['z:3'] }])), silent);
  const saved = await buffer(store.save(['x:1', 'y:2', 'z:3']));
  assert.ok(saved.equals(await buffer(store.save(['x:1', 'y:2', 'z:3']))));
  await elsewhere.load(stream(saved), silent);
  for (const name of ['x:1', 'y:2', 'z:3']) assert.equal(elsewhere.get(name).id, store.get(name).id);
  const byId = await buffer(store.save([store.get('x:1').id.slice(7, 19)]));
  const third = await openStore(context);
  assert.deepEqual((await third.load(stream(byId), silent))[0]?.tags, []);
  assert.throws(() => store.save(['missing']), fault('image-not-found', 'No such image: missing'));
  assert.throws(() => store.save(['missing:1']), fault('image-not-found', 'reference does not exist'));

  const directory = await mkdtemp(join(tmpdir(), 'berth-saved-'));
  context.after(() => rm(directory, { recursive: true }));
  await run('tar', ['-xf', '-', '-C', directory], { input: saved });
  for (const name of await readdir(join(directory, 'blobs/sha256'))) assert.equal(digest(await readFile(join(directory, 'blobs/sha256', name))), name);
});

test('more layers than a VM has room for are merged from below', async (context) => {
  const store = await openStore(context);
  const layers = Array.from({ length: 26 }, (_, index) => new RootfsTar().file(`f${index}`, `${index}`).file(`shared`, `${index}`).file(`.wh.f${index - 2}`, '').end());
  const [image] = await store.load(stream(dockerArchive([{ layers, tags: ['many:1'] }])), silent);
  assert.ok(image !== undefined);
  const files = store.rootfs(image).layers;
  assert.equal(files.length, 20);
  assert.equal(files.at(-1)?.diffId, image.layers.at(-1)?.diffId);
  const listing = (await run('unsquashfs', ['-l', '-d', '', files[0]?.path ?? ''])).stdout.split('\n').filter((line) => line !== '');
  assert.deepEqual(listing.sort(), ['', '/f5', '/f6', '/shared'].filter((line) => line !== '').sort());
  await store.remove('many:1', { force: false, prune: true, users: [] });
  assert.ok(!existsSync(files[0]?.path ?? ''));
});

test('references: names, ids, prefixes', async (context) => {
  const store = await openStore(context);
  const image = await store.import(stream(smallTar('x')), { reference: 'a/b:t', changes: [] });
  for (const text of ['a/b:t', 'docker.io/a/b:t', image.id, image.id.slice(7), image.id.slice(7, 19), image.id.slice(0, 20)]) assert.equal(store.get(text).id, image.id);
  assert.throws(() => store.get('a/b'), fault('image-not-found', 'No such image: a/b:latest'));
  assert.throws(() => store.get('f'.repeat(64)), fault('image-not-found', `No such image: sha256:${'f'.repeat(64)}`));
  assert.throws(() => store.get('A'), fault('reference-invalid', 'invalid reference format: repository name (library/A) must be lowercase'));
  store.tag(image, 'localhost:5000/c');
  assert.deepEqual(store.get(image.id).tags, ['a/b:t', 'localhost:5000/c:latest']);
  assert.throws(() => store.tag(image, 'not valid'), fault('reference-invalid', 'invalid reference format'));
});

test('rmi: names first, the image with the last one, in Docker\'s words', async (context) => {
  const store = await openStore(context);
  const image = await store.import(stream(smallTar('x')), { reference: 'a:1', changes: [] });
  const short = image.id.slice(7, 19);
  const free = { force: false, prune: true, users: [] };
  const used = (running: boolean) => ({ containerId: 'c'.repeat(64), imageId: image.id, running });
  store.tag(image, 'b:1');
  await assert.rejects(store.remove(short, free), fault('image-in-use', `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`));
  assert.deepEqual(await store.remove('a:1', { ...free, users: [used(true)] }), [{ Untagged: 'a:1' }]);
  await assert.rejects(
    store.remove('b:1', { ...free, users: [used(false)] }),
    fault('image-in-use', `conflict: unable to remove repository reference "b:1" (must force) - container ${'c'.repeat(12)} is using its referenced image ${short}`),
  );
  await assert.rejects(store.remove(short, { ...free, users: [used(false)] }), fault('image-in-use', `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${'c'.repeat(12)}`));
  for (const force of [false, true]) {
    await assert.rejects(store.remove(short, { ...free, force, users: [used(true)] }), fault('image-in-use', `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${'c'.repeat(12)}`));
  }
  assert.deepEqual(await store.remove(short, free), [{ Untagged: 'b:1' }, { Deleted: image.id }, { Deleted: image.layers[0]?.diffId }]);
  await assert.rejects(store.remove('b:1', free), fault('image-not-found', 'No such image: b:1'));
});

test('rmi deletes only the layers no other image has', async (context) => {
  const store = await openStore(context);
  const [base, top] = [smallTar('base'), smallTar('top')] as [Buffer, Buffer];
  const [lower, upper] = await store.load(stream(dockerArchive([{ layers: [base], tags: ['lower:1'] }, { layers: [base, top], tags: ['upper:1'] }])), silent);
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
  assert.deepEqual(store.rootfs(image).layers.map((layer) => layer.path), files);
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
  assert.deepEqual(store.list().flatMap((image) => image.tags).sort(), ['a:1', 'b:1']);
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
  assert.deepEqual(store.list().flatMap((image) => image.tags).filter((tag) => !/^i/.test(tag)).sort(), ['other:1', 'same:1']);
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
  assert.deepEqual(store.list().map((image) => image.tags), [['berth/hello:latest']]);
});
