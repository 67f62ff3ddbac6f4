/** The image store against a real dockerd (Debian's 20.10): the same input, the same ids, the same words. */
import assert from 'node:assert/strict';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { buildLocalImages, type Image, ImageStore, TarReader } from '@berth/images';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import { Oracle } from '../oracle/index.ts';

let oracle: Oracle;
let store: ImageStore;
let directory = '';
const silent = { progress: () => undefined };

before(
  async () => {
    directory = await mkdtemp(join(tmpdir(), 'bt-images-'));
    store = await ImageStore.open({ directory: join(directory, 'store') });
    await buildLocalImages(store);
    oracle = await Oracle.open();
  },
  { timeout: 120_000 },
);
after(async () => {
  await oracle?.[Symbol.asyncDispose]();
  await store?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function loadedFromDockerd(name: string): Promise<Image> {
  const path = join(directory, 'from-dockerd.tar');
  await oracle.docker.ok(['save', '-o', path, name]);
  const [image] = await store.load(createReadStream(path), silent);
  assert.ok(image !== undefined);
  return image;
}

async function oracleId(name: string): Promise<string> {
  return oracle.docker.ok(['image', 'inspect', '--format', '{{.Id}}', name]);
}

/** `path kind mode uid gid size link` of everything in a tar of a root, without what dockerd itself puts there. */
async function listing(path: string): Promise<string[]> {
  const reader = new TarReader(createReadStream(path));
  const lines: string[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const name = entry.path.replace(/^\.?\//, '').replace(/\/$/, '');
    if (name === '' || /^(?:\.dockerenv|dev|proc|sys|etc|lost\+found)(?:\/|$)/.test(name)) continue;
    // Which of several names comes first is the archiver's choice.
    const kind = entry.kind === 'hardlink' ? 'file' : entry.kind;
    lines.push(`${name} ${kind} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${entry.kind === 'symlink' ? entry.linkPath : ''}`);
  }
  return lines.sort();
}

test('an image saved by dockerd has the same id, size and history here', async () => {
  const image = await loadedFromDockerd('busybox:latest');
  assert.equal(image.id, await oracleId('busybox:latest'));
  assert.equal(String(image.sizeBytes), await oracle.docker.ok(['image', 'inspect', '--format', '{{.Size}}', 'busybox']));
});

test('an image saved here has the same id in dockerd, and runs', { timeout: 120_000 }, async () => {
  const path = join(directory, 'from-here.tar');
  await pipeline(store.save(['berth/hello', 'busybox']), createWriteStream(path));
  const said = await oracle.docker.ok(['load', '-i', path]);
  assert.deepEqual(
    said
      .split('\n')
      .filter((line) => line.startsWith('Loaded'))
      .sort(),
    ['Loaded image: berth/hello:latest', 'Loaded image: busybox:latest'],
  );
  for (const name of ['berth/hello:latest', 'busybox:latest']) assert.equal(await oracleId(name), store.get(name).id);
  assert.match(await oracle.docker.ok(['run', '--rm', 'berth/hello']), /Hello from Berth!/);
});

test('layers with deletions and replacements show the same files as in dockerd', { timeout: 240_000 }, async () => {
  const docker = oracle.docker;
  const steps = [
    'mkdir -p /a/b/c /keep; for f in 1 2 3; do echo $f > /a/b/$f; done; echo k > /keep/k; ln -s /keep /link; mkfifo /pipe; chmod 1777 /keep; chown 5:6 /a/b/3',
    'rm /a/b/1; rm -r /a/b/c; mkdir /a/b/c; echo new > /a/b/c/new; rm /bin/vi',
    'rm -rf /a; mkdir /a; echo fresh > /a/fresh; rm /link; mkdir /link; echo x > /link/x; ln /keep/k /keep/k2',
    'rm -rf /keep; echo file > /keep; chmod 600 /a/fresh; rm /pipe',
  ];
  let from = 'busybox';
  for (const [index, step] of steps.entries()) {
    const id = await docker.ok(['run', '-d', from, 'sh', '-c', step]);
    await docker.ok(['wait', id]);
    await docker.ok(['commit', id, `step:${index}`]);
    await docker.ok(['rm', id]);
    from = `step:${index}`;
  }
  const image = await loadedFromDockerd(from);
  assert.equal(image.id, await oracleId(from));
  assert.equal(image.layers.length, 1 + steps.length);

  const container = await docker.ok(['create', from]);
  await docker.ok(['export', '-o', join(directory, 'exported.tar'), container]);
  await docker.ok(['rm', container]);
  const points: string[] = [];
  try {
    for (const [index, layer] of store.rootfs(image).layers.entries()) {
      const point = join(directory, `layer${index}`);
      await mkdir(point);
      await run('mount', ['-t', 'squashfs', '-o', 'loop,ro', layer.path, point]);
      points.push(point);
    }
    const root = join(directory, 'root');
    await mkdir(root);
    await run('mount', ['-t', 'overlay', '-o', `ro,lowerdir=${points.toReversed().join(':')}`, 'overlay', root]);
    points.push(root);
    await run('tar', ['-cf', join(directory, 'mounted.tar'), '-C', root, '.']);
  } finally {
    for (const point of points.toReversed()) await run('umount', [point]);
  }
  assert.deepEqual(await listing(join(directory, 'mounted.tar')), await listing(join(directory, 'exported.tar')));

  await pipeline(store.save([from]), createWriteStream(join(directory, 'back.tar')));
  await docker.ok(['rmi', '-f', ...steps.map((_, index) => `step:${index}`)]);
  await docker.ok(['load', '-i', join(directory, 'back.tar')]);
  assert.equal(await oracleId(from), image.id);
});

test('import: the same defaults, or the same refusal', { timeout: 240_000 }, async () => {
  const rootfs = join(directory, 'rootfs');
  const path = join(directory, 'rootfs.tar');
  await mkdir(rootfs);
  await writeFile(join(rootfs, 'file'), 'hello');
  await run('tar', ['-cf', path, '-C', rootfs, '.']);
  const changes = [
    'CMD ["a","b"]',
    'CMD a b',
    'CMD',
    'CMD ["a" "b"]',
    'CMD "a b" c',
    'cmd ["lower"]',
    'ENTRYPOINT ["x"]',
    'ENTRYPOINT x y',
    'ENTRYPOINT',
    'ENV a=b c="d e" f=g\\ h x=$a',
    'ENV a b c',
    'ENV',
    'ENV a',
    'ENV "a',
    'ENV a=b c',
    'ENV =b',
    'LABEL a b',
    'LABEL a="b\\"c" \'d\'=$a',
    'LABEL',
    'EXPOSE 80 81/udp 90-92',
    'EXPOSE',
    'EXPOSE x',
    'EXPOSE 99999',
    'EXPOSE 5-3',
    'EXPOSE 80/foo',
    'USER a:b',
    'USER a b',
    'USER',
    'WORKDIR /a',
    'WORKDIR a b',
    'WORKDIR',
    'VOLUME /a /b',
    'VOLUME ["/a b"]',
    'VOLUME ["",""]',
    'VOLUME',
    'HEALTHCHECK CMD a b',
    'HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD ["a"]',
    'HEALTHCHECK NONE',
    'HEALTHCHECK',
    'HEALTHCHECK x',
    'HEALTHCHECK --foo=1 CMD x',
    'HEALTHCHECK --interval=1 CMD x',
    'HEALTHCHECK --interval=1q CMD x',
    'HEALTHCHECK --interval=x CMD x',
    'HEALTHCHECK NONE x',
    'HEALTHCHECK CMD',
    'ONBUILD RUN x',
    'ONBUILD',
    'ONBUILD ONBUILD RUN x',
    'ONBUILD FROM x',
    'RUN x',
    'FOO x',
    'FROM a',
    'ADD a b',
    'ARG a',
    'SHELL ["a"]',
    'MAINTAINER me',
    '# comment',
    '',
  ];
  for (const change of changes) {
    const theirs = await oracle.docker.run(['import', '--change', change, path, 'imported:1']);
    const ours = await store.import(createReadStream(path), { reference: 'imported:1', changes: [change] }).catch((error: unknown) => error as Error);
    if (theirs.exitCode !== 0) {
      assert.ok(ours instanceof Error, `${change}: dockerd says ${theirs.stderr}`);
      assert.equal(ours.message, theirs.stderr.trim().replace('Error response from daemon: ', ''), change);
      continue;
    }
    assert.ok(!(ours instanceof Error), `${change}: ${String(ours)}`);
    const inspected = JSON.parse(await oracle.docker.ok(['image', 'inspect', 'imported:1'])) as {
      Config: Record<string, unknown>;
      RootFS: { Layers: string[] };
    }[];
    assert.deepEqual(
      ours.layers.map((layer) => layer.diffId),
      inspected[0]?.RootFS.Layers,
    );
    assert.deepEqual(withoutEmpty(ours.configuration.config ?? {}), withoutEmpty(inspected[0]?.Config ?? {}), change);
  }
});

/** dockerd writes fields out that nobody set. */
function withoutEmpty(config: object): object {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== null && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0)),
  );
}

test('archives: taken and refused alike', { timeout: 120_000 }, async () => {
  const path = (name: string) => join(directory, name);
  const good = await readFile(path('rootfs.tar'));
  const inputs: [string, Buffer][] = [
    ['whole', good],
    ['empty', Buffer.alloc(0)],
    ['cut', good.subarray(0, 900)],
    ['text', Buffer.from('text\n'.repeat(1000))],
    ['only-end', Buffer.alloc(1024)],
  ];
  for (const [name, data] of inputs) {
    await writeFile(path('input'), data);
    const theirs = await oracle.docker.run(['import', path('input'), 'input:1']);
    const ours = await store
      .import(Readable.from(data.length === 0 ? [] : [data]), { reference: 'input:1', changes: [] })
      .catch((error: unknown) => error as Error);
    assert.equal(ours instanceof Error, theirs.exitCode !== 0, `${name}: ${theirs.stderr}`);
    if (ours instanceof Error) assert.equal(ours.message, theirs.stderr.trim().replace(/^.*Error processing tar file\(exit status 1\): /, ''), name);
    else assert.equal(ours.layers[0]?.diffId, await oracle.docker.ok(['image', 'inspect', '--format', '{{index .RootFS.Layers 0}}', 'input:1']), name);
  }
});

test('tag and rmi: the same steps, the same answers', { timeout: 240_000 }, async () => {
  const docker = oracle.docker;
  const image = await loadedFromDockerd('busybox:latest');
  // Other images share its layer, which would then stay.
  await store.prune({ danglingOnly: false, users: [], matches: (one) => one.id !== image.id });
  const others = new Set((await docker.ok(['images', '-aq', '--no-trunc'])).split('\n').filter((id) => id !== image.id && id !== ''));
  if (others.size > 0) await docker.ok(['rmi', '-f', ...others]);
  const users: { containerId: string; imageId: string; running: boolean }[] = [];

  const rmi = async (force: boolean, reference: string) => {
    const theirs = await docker.run(['rmi', ...(force ? ['-f'] : []), reference]);
    const ours = await store.remove(reference, { force, prune: true, users }).then(
      (removals) => removals.map((one) => Object.entries(one).map(([what, name]) => `${what}: ${name}`)[0]).join('\n'),
      (error: unknown) => {
        assert.ok(isFault(error), String(error));
        return `Error response from daemon: ${error.message}`;
      },
    );
    assert.equal(ours, theirs.exitCode === 0 ? theirs.stdout.trim() : theirs.stderr.trim().split('\n')[0], `rmi ${force ? '-f ' : ''}${reference}`);
  };
  const tag = async (name: string) => {
    await docker.ok(['tag', image.id, name]);
    store.tag(image, name);
  };
  const start = async (...args: string[]) => {
    const containerId = await docker.ok(['run', '-d', image.id, ...args]);
    const running = args.includes('1000');
    if (!running) await docker.ok(['wait', containerId]);
    users.push({ containerId, imageId: image.id, running });
    store.lease(image, containerId);
  };
  const reload = async () => {
    await docker.ok(['load', '-i', join(directory, 'from-dockerd.tar')]);
    await store.load(createReadStream(join(directory, 'from-dockerd.tar')), silent);
  };
  const forget = async () => {
    for (const { containerId } of users) {
      await docker.ok(['rm', '-f', containerId]);
      store.unlease(containerId);
    }
    users.length = 0;
  };
  const short = image.id.slice(7, 19);

  await rmi(false, 'missing');
  await rmi(false, 'missing:1');
  await rmi(false, short.split('').reverse().join(''));
  await tag('two:1');
  await tag('two:2');
  await tag('localhost:5000/three');
  await rmi(false, short);
  await rmi(false, 'two:1');
  await rmi(false, 'two');
  await start('true');
  await rmi(false, 'two:2');
  await rmi(false, 'localhost:5000/three:latest');
  await rmi(false, 'busybox');
  await rmi(false, short);
  await rmi(true, 'busybox');
  await reload();
  await forget();
  await start('sleep', '1000');
  await rmi(false, 'busybox:latest');
  await rmi(false, image.id);
  await rmi(true, image.id);
  await tag('other:1');
  await rmi(true, short);
  await rmi(false, 'other:1');
  await rmi(true, 'busybox');
  await rmi(true, image.id.slice(0, 20));
  await forget();
  await rmi(false, short);
  await reload();
  await tag('again:1');
  await rmi(true, short);
  await reload();
  await rmi(false, 'busybox');
  await rmi(false, 'busybox');
});
