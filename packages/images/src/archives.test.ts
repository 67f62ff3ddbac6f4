import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { run } from '@berth/sys';
import { RootfsTar } from './local/rootfs-tar.ts';
import { configurationOf, digest, dockerArchive, fault, ociArchive, openStore, silent, smallTar, stream } from './testing/archives.ts';

test('import: an image of one layer, with changes applied', async (context) => {
  const store = await openStore(context, { now: () => Date.UTC(2026, 0, 2) });
  const tar = smallTar('hello');
  const image = await store.import(stream(tar), {
    reference: 'mine:1',
    message: 'made by hand',
    changes: [
      'CMD ["sh", "-c", "true"]',
      'ENV A=1 B="two words"',
      'EXPOSE 80 90/udp',
      'LABEL x=$A',
      'WORKDIR /a',
      'WORKDIR b',
      'USER 1:2',
      'VOLUME /data',
      'STOPSIGNAL SIGINT',
      'ENTRYPOINT run me',
    ],
  });
  assert.deepEqual(image.configuration, {
    os: 'linux',
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    comment: 'made by hand',
    config: {
      Cmd: ['sh', '-c', 'true'],
      Env: ['A=1', 'B=two words'],
      ExposedPorts: { '80/tcp': {}, '90/udp': {} },
      Labels: { x: '1' },
      WorkingDir: '/a/b',
      User: '1:2',
      Volumes: { '/data': {} },
      StopSignal: 'SIGINT',
      Entrypoint: ['/bin/sh', '-c', 'run me'],
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
  const inputs = [
    tar,
    gzipSync(tar),
    zstdCompressSync(tar),
    await through('xz'),
    await through('bzip2'),
    Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
  ];
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
    [
      Array.from({ length: 51 })
        .reduce<RootfsTar>((made, _, index) => made.file(`f${index}`, ''), new RootfsTar())
        .end(),
      'too-many-entries',
      /more than 50/,
    ],
  ];
  for (const [data, code, pattern] of attempts) await assert.rejects(store.import(stream(data), { changes: [], reference: 'bad' }), fault(code, pattern));
  await assert.rejects(store.import(stream(tar), { changes: ['RUN x'] }), fault('change-invalid', 'run is not a valid change command'));
  await assert.rejects(store.import(stream(tar), { changes: [], reference: 'Bad' }), fault('reference-invalid'));
  await assert.rejects(store.import(stream(tar), { changes: [], platform: 'windows/amd64' }), fault('platform-unsupported'));
  assert.deepEqual(store.list(), []);
  assert.equal(await store.collect(), 0);
});

test('a refused stream stays whole, for its owner to drain', async (context) => {
  const store = await openStore(context);
  const text = Buffer.from('no tar at all '.repeat(5000));
  const refused = Readable.from([text, text, text]);
  await assert.rejects(store.import(refused, { changes: [] }), fault('tar-invalid'));
  assert.equal(refused.destroyed, false);
  refused.resume();
  await once(refused, 'end');
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
  const archive = dockerArchive([
    { layers: [base, top], tags: ['one:1', 'docker.io/library/uno:latest'] },
    { layers: [base, other], tags: null },
  ]);
  const [first, second] = await store.load(stream(archive), { progress: (line) => said.push(line) });
  assert.deepEqual(first?.tags, ['one:1', 'uno:latest']);
  assert.equal(first?.layers[0]?.diffId, second?.layers[0]?.diffId);
  assert.deepEqual(
    said.filter((line) => 'stream' in line),
    [{ stream: 'Loaded image: one:1\n' }, { stream: 'Loaded image: uno:latest\n' }, { stream: `Loaded image ID: ${second?.id}\n` }],
  );
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
    const archive = ociArchive(
      [
        { architecture: 'riscv64', layer: smallTar('wrong'), type },
        { architecture: own, layer, type },
      ],
      'registry.example/app:v1',
    );
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
    new RootfsTar()
      .file(name, config)
      .file('l/layer.tar', layerData)
      .file('manifest.json', JSON.stringify([{ Config: name, RepoTags: ['bad:1'], Layers: ['l/layer.tar'] }]))
      .end();
  const blobName = `blobs/sha256/${digest(layer)}`;
  const attempts: [Buffer, string, string | RegExp][] = [
    [oneImage(other), 'digest-mismatch', `invalid diffID for layer 0: expected "sha256:${digest(layer)}", got "sha256:${digest(other)}"`],
    [oneImage(layer, configuration, `${'0'.repeat(64)}.json`), 'digest-mismatch', /invalid digest for 0000/],
    [
      new RootfsTar()
        .file('c.json', configuration)
        .file(blobName, other)
        .file('manifest.json', JSON.stringify([{ Config: 'c.json', Layers: [blobName] }]))
        .end(),
      'digest-mismatch',
      /invalid digest for blobs/,
    ],
    [oneImage(layer, configurationOf([layer, other])), 'archive-invalid', 'invalid manifest, layers length mismatch: expected 1, got 2'],
    [oneImage(layer, configurationOf([layer], { os: 'windows' })), 'platform-unsupported', 'cannot load windows image on linux'],
    [oneImage(layer, Buffer.from('{"rootfs":{"type":"layers","diff_ids":["md5:1"]}}')), 'archive-invalid', /rootfs.diff_ids.0: unsupported digest/],
    [oneImage(layer, Buffer.from('{')), 'archive-invalid', /is not JSON/],
    [new RootfsTar().file('x', 'y').end(), 'archive-invalid', /does not contain a manifest.json/],
    [new RootfsTar().file('manifest.json', '[{"Config":"../../etc/passwd","Layers":[]}]').end(), 'tar-invalid', /outside of the root/],
    [
      new RootfsTar().file('manifest.json', '[{"Config":"c.json","Layers":[]}]').symlink('c.json', '/etc/passwd').end(),
      'archive-invalid',
      'invalid archive: c.json is missing',
    ],
    [new RootfsTar().file('manifest.json', '[{"Config":"c.json","Layers":[]}]').symlink('c.json', 'c.json').end(), 'archive-invalid', /c.json is missing/],
    [new RootfsTar().file('manifest.json', ' '.repeat(60_000)).end(), 'archive-invalid', /too large/],
    [gzipSync(new RootfsTar().file('zeros', Buffer.alloc(3_000_000)).end()), 'archive-too-large', /limit of 1000000/],
    [
      Array.from({ length: 31 })
        .reduce<RootfsTar>((made, _, index) => made.file(`f${index}`, ''), new RootfsTar())
        .end(),
      'too-many-entries',
      /more than 30/,
    ],
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
  await store.load(
    stream(
      dockerArchive([
        { layers: [smallTar('a'), smallTar('b')], tags: ['x:1', 'y:2'] },
        { layers: [smallTar('c')], tags: ['z:3'] },
      ]),
    ),
    silent,
  );
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
