import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import fc from 'fast-check';
import type { TarEntry } from '../tar/tar-entry.ts';
import { END_OF_ARCHIVE, padding, tarHeader } from '../tar/tar-writer.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { tarIn, type WrittenLayer, writeLayer } from './layer-file.ts';

let directory = '';
let count = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-layers-'));
});
after(async () => {
  await rm(directory, { recursive: true });
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  assert.ok(!mounts.includes(directory), 'a mount was left behind');
});

type Member = Partial<Omit<TarEntry, 'xattrs'>> & { path: string; content?: string; xattrs?: Record<string, string> };

function layerTar(members: readonly Member[]): Buffer {
  const pieces = members.flatMap(({ content = '', xattrs = {}, ...more }) => {
    const data = Buffer.from(content);
    const entry: TarEntry = {
      kind: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      sizeBytes: data.length,
      mtime: 1,
      linkPath: '',
      deviceMajor: 0,
      deviceMinor: 0,
      ...more,
      xattrs: new Map(Object.entries(xattrs)),
    };
    return [tarHeader(entry), data, padding(data.length)];
  });
  return Buffer.concat([...pieces, END_OF_ARCHIVE]);
}

async function* chunks(data: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += 4096) yield data.subarray(at, at + 4096);
}

async function write(tar: Buffer): Promise<WrittenLayer> {
  const { layer } = await writeLayer(chunks(tar), join(directory, `${count++}.squashfs`), DEFAULT_LIMITS, 'refuse');
  assert.ok(layer !== undefined);
  return layer;
}

const squash = async (tar: Buffer): Promise<string> => (await write(tar)).path;

/** Mounts squashfs files as an overlay the way a guest does, and gives the mount point to `look`. */
async function mounted<T>(files: readonly string[], look: (root: string) => Promise<T>): Promise<T> {
  const points: string[] = [];
  try {
    for (const file of files) {
      const point = join(directory, `m${count++}`);
      await mkdir(point);
      await run('mount', ['-t', 'squashfs', '-o', 'loop,ro', file, point]);
      points.push(point);
    }
    if (points.length === 1) return await look(points[0] as string);
    const point = join(directory, `m${count++}`);
    await mkdir(point);
    await run('mount', ['-t', 'overlay', '-o', `ro,lowerdir=${points.toReversed().join(':')}`, 'overlay', point]);
    points.push(point);
    return await look(point);
  } finally {
    for (const point of points.toReversed()) {
      await run('umount', [point]);
      await rm(point, { recursive: true });
    }
  }
}

/** Everything that can be seen below a directory, as comparable lines. */
async function contents(root: string, options: { links?: boolean } = {}): Promise<string[]> {
  const lines: string[] = [];
  const inodes = new Map<number, string>();
  const walk = async (path: string): Promise<void> => {
    for (const name of (await readdir(join(root, path))).sort()) {
      const at = `${path}/${name}`;
      // overlayfs lists, but does not find, a whiteout in a directory that no layer below has.
      const stat = await lstat(join(root, at)).catch(() => undefined);
      if (stat === undefined) continue;
      const what = stat.isDirectory()
        ? 'directory'
        : stat.isSymbolicLink()
          ? `-> ${await readlink(join(root, at))}`
          : stat.isFile()
            ? createHash('md5')
                .update(await readFile(join(root, at)))
                .digest('hex')
            : `device ${stat.rdev}`;
      const link = options.links && stat.isFile() ? ` = ${inodes.get(stat.ino) ?? inodes.set(stat.ino, at).get(stat.ino)}` : '';
      lines.push(`${at} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${Math.floor(stat.mtimeMs / 1000)} ${what}${link}`);
      if (stat.isDirectory()) await walk(at);
    }
  };
  await walk('');
  return lines;
}

async function xattr(root: string, path: string, name: string): Promise<string> {
  const script = 'import os,sys; sys.stdout.write(os.getxattr(sys.argv[1], sys.argv[2], follow_symlinks=False).hex())';
  return (await run('python3', ['-c', script, join(root, path), name])).stdout;
}

test('a layer arrives as it was: owners, modes, times, links, devices, attributes, the root itself', async () => {
  const capability = '\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00';
  const file = await squash(
    layerTar([
      { path: './', kind: 'directory', mode: 0o1755, uid: 5, gid: 6, mtime: 12345 },
      {
        path: 'bin/tool',
        content: 'tool',
        mode: 0o4755,
        uid: 70_000,
        gid: 3_000_000,
        mtime: 77,
        xattrs: { 'security.capability': capability, 'user.note': 'hi' },
      },
      { path: 'bin/same', kind: 'hardlink', linkPath: 'bin/tool' },
      { path: 'owned', uid: 5, gid: 6 },
      { path: 'etc', kind: 'directory', mode: 0o750, uid: 1, gid: 2, mtime: 99, xattrs: { 'user.dir': 'x' } },
      { path: 'etc/link', kind: 'symlink', linkPath: '../../../outside' },
      { path: 'etc/samelink', kind: 'hardlink', linkPath: '/etc/link' },
      { path: 'dev/null', kind: 'character', mode: 0o666, deviceMajor: 1, deviceMinor: 3 },
      { path: 'dev/disk', kind: 'block', deviceMajor: 8, deviceMinor: 300 },
      { path: 'pipe', kind: 'fifo' },
      { path: `deep/${'d'.repeat(120)}/${'f'.repeat(200)}`, content: 'long' },
      { path: 'l\xe4tin', content: 'not UTF-8' },
      { path: 'big', content: 'z'.repeat(400_000) },
    ]),
  );
  await mounted([file], async (root) => {
    const own = await lstat(root);
    assert.deepEqual([own.mode & 0o7777, own.uid, own.gid, own.mtimeMs], [0o1755, 5, 6, 12_345_000]);
    const tool = await lstat(join(root, 'bin/tool'));
    assert.deepEqual([tool.mode & 0o7777, tool.uid, tool.gid, tool.mtimeMs, tool.nlink], [0o4755, 70_000, 3_000_000, 77_000, 2]);
    assert.equal((await lstat(join(root, 'bin/same'))).ino, tool.ino);
    assert.equal(Buffer.from(await xattr(root, 'bin/tool', 'security.capability'), 'hex').toString('latin1'), capability);
    assert.equal(Buffer.from(await xattr(root, 'bin/tool', 'user.note'), 'hex').toString(), 'hi');
    assert.equal(Buffer.from(await xattr(root, 'etc', 'user.dir'), 'hex').toString(), 'x');
    const bin = await lstat(join(root, 'bin'));
    assert.deepEqual([bin.mode & 0o7777, bin.uid, bin.mtimeMs], [0o755, 0, 0], 'a directory nobody described');
    assert.equal(await readlink(join(root, 'etc/link')), '../../../outside');
    assert.equal(await readlink(join(root, 'etc/samelink')), '../../../outside');
    const [zero, disk, pipe] = await Promise.all(['dev/null', 'dev/disk', 'pipe'].map((path) => lstat(join(root, path))));
    assert.ok(zero?.isCharacterDevice() && zero.rdev === 0x103 && (zero.mode & 0o7777) === 0o666);
    assert.ok(disk?.isBlockDevice() && pipe?.isFIFO());
    assert.equal(await readFile(join(root, `deep/${'d'.repeat(120)}/${'f'.repeat(200)}`), 'utf8'), 'long');
    assert.ok((await readdir(root, 'buffer')).some((name) => name.equals(Buffer.from('l\xe4tin', 'latin1'))));
    assert.equal((await readFile(join(root, 'big'))).length, 400_000);
  });
});

test('the same layer gives the same bytes, and its tar is in them', async () => {
  const members: Member[] = [{ path: './', kind: 'directory', mtime: 5 }];
  for (let index = 0; index < 300; index++)
    members.push({ path: `d${index % 7}/f${index}`, content: `${index} `.repeat(index * 20), xattrs: index % 9 === 0 ? { 'user.a': `${index}` } : {} });
  const tar = layerTar(members);
  const [first, second] = [await write(tar), await write(tar)];
  assert.ok((await readFile(first.path)).equals(await readFile(second.path)));
  assert.equal(first.fileBytes, (await readFile(first.path)).length);
  assert.ok((await buffer(Readable.from(tarIn(first.path, first.tarBytes)))).equals(tar));
  await mounted([first.path], async (root) => assert.equal((await contents(root)).length, 307));
});

test('a layer with nothing in it', async () => {
  await mounted([await squash(layerTar([]))], async (root) => assert.deepEqual(await readdir(root), []));
  await mounted([await squash(Buffer.alloc(0))], async (root) => assert.deepEqual(await readdir(root), []));
});

test('directories with thousands of entries: each is found by its name', async () => {
  const names = Array.from({ length: 9_000 }, (_, index) => `${(index * 7919) % 9_000}-${'n'.repeat(index % 60)}`);
  const file = await squash(layerTar([...names.map((name) => ({ path: `many/${name}`, content: name })), { path: 'many/deeper/x', content: 'x' }]));
  await mounted([file], async (root) => {
    assert.deepEqual((await readdir(join(root, 'many'))).sort(), [...names, 'deeper'].sort());
    for (const name of names.slice(0, 1_000)) assert.equal(await readFile(join(root, 'many', name), 'utf8'), name);
    await assert.rejects(lstat(join(root, 'many', 'missing')), { code: 'ENOENT' });
  });
  await run('unsquashfs', ['-quiet', '-no-progress', '-d', join(directory, 'unsquashed'), file]);
});

test('sparse files keep their content and their holes, in every format', async () => {
  const source = join(directory, `sparse${count++}`);
  await mkdir(source);
  const script = 'import sys; f = open(sys.argv[1], "wb"); [(f.seek(at), f.write(b"x" * n)) for at, n in eval(sys.argv[2])]; f.truncate(int(sys.argv[3]))';
  await run('python3', ['-c', script, join(source, 'sparse'), '[(i * 50000, 4096) for i in range(30)] + [(3000000, 300000), (4000000, 1)]', '6000001']);
  await run('python3', ['-c', script, join(source, 'empty'), '[]', '1000000']);
  const formats = ['gnu', 'posix --sparse-version=0.0', 'posix --sparse-version=0.1', 'posix --sparse-version=1.0'];
  for (const format of formats) {
    await run('tar', [...`--format=${format}`.split(' '), '-S', '-C', source, '-cf', `${source}.tar`, '.']);
    const { path } = await write(await readFile(`${source}.tar`));
    await mounted([path], async (root) => {
      for (const name of ['sparse', 'empty']) assert.ok((await readFile(join(root, name))).equals(await readFile(join(source, name))), `${name}, ${format}`);
      assert.ok((await lstat(join(root, 'sparse'))).blocks * 512 < 3_000_000);
    });
  }
});

test('whiteouts and opaque directories hide what lies below', async () => {
  const lower = layerTar([
    { path: 'keep', content: '1' },
    { path: 'gone', content: '1' },
    { path: 'dir/old', content: '1' },
    { path: 'dir/sub/old', content: '1' },
    { path: 'opaque/old', content: '1' },
    { path: 'late/old', content: '1' },
    { path: 'both', content: 'below' },
    { path: 'bothdir/old', content: '1' },
  ]);
  const upper = layerTar([
    { path: '.wh.gone' },
    { path: 'dir/.wh.old' },
    { path: 'dir/sub/.wh.old' },
    { path: 'opaque', kind: 'directory', mode: 0o700 },
    { path: 'opaque/.wh..wh..opq' },
    { path: 'opaque/new', content: '2' },
    { path: 'late/new', content: '2' },
    { path: 'late/.wh..wh..opq' },
    { path: '.wh.both' },
    { path: 'both', content: 'above' },
    { path: 'bothdir/new', content: '2' },
    { path: '.wh.bothdir' },
    { path: '.wh..wh.plnk/55', content: 'bookkeeping' },
  ]);
  const seen = await mounted([await squash(lower), await squash(upper)], (root) => contents(root));
  const names = seen.map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['/both', '/bothdir', '/bothdir/new', '/dir', '/dir/sub', '/keep', '/late', '/late/new', '/opaque', '/opaque/new']);
});

test('an opaque root is told, not written', async () => {
  assert.equal((await write(layerTar([{ path: '.wh..wh..opq' }, { path: 'a', content: '1' }]))).opaque, true);
});

test('later members replace earlier ones; directories merge; a link keeps what it was made to', async () => {
  const file = await squash(
    layerTar([
      { path: 'a', content: 'first' },
      { path: 'link', kind: 'hardlink', linkPath: 'a' },
      { path: 'a', content: 'second' },
      { path: 'd', kind: 'directory', mode: 0o700 },
      { path: 'd/x', content: '1' },
      { path: 'd', kind: 'directory', mode: 0o711 },
      { path: 'e/x', content: '1' },
      { path: 'e', content: 'now a file' },
      { path: 'f', content: 'file' },
      { path: 'f', kind: 'directory' },
      { path: 'f/y', content: '1' },
    ]),
  );
  await mounted([file], async (root) => {
    assert.deepEqual(await Promise.all(['a', 'link', 'd/x', 'e', 'f/y'].map((path) => readFile(join(root, path), 'utf8'))), [
      'second',
      'first',
      '1',
      'now a file',
      '1',
    ]);
    assert.equal((await lstat(join(root, 'd'))).mode & 0o7777, 0o711);
  });
});

test('symlinks on the way are followed inside the root', async () => {
  const file = await squash(
    layerTar([
      { path: 'usr/lib', kind: 'directory' },
      { path: 'lib', kind: 'symlink', linkPath: 'usr/lib' },
      { path: 'abs', kind: 'symlink', linkPath: '/usr/lib' },
      { path: 'up', kind: 'symlink', linkPath: '../../../../usr' },
      { path: 'lib/a', content: 'a' },
      { path: 'abs/b', content: 'b' },
      { path: 'up/lib/c', content: 'c' },
      { path: 'hard', kind: 'hardlink', linkPath: 'lib/a' },
    ]),
  );
  await mounted([file], async (root) => assert.deepEqual(await readdir(join(root, 'usr/lib')), ['a', 'b', 'c']));
});

test('what makes no sense is refused', async () => {
  const cases: [Member[], RegExp][] = [
    [[{ path: '../x', content: '1' }], /outside of the root/],
    [[{ path: 'a/../../x', content: '1' }], /outside of the root/],
    [[{ path: 'l', kind: 'hardlink', linkPath: 'missing' }], /has no target/],
    [[{ path: 'l', kind: 'hardlink', linkPath: '../../etc/passwd' }], /outside of the root/],
    [
      [
        { path: 'd', kind: 'directory' },
        { path: 'l', kind: 'hardlink', linkPath: 'd' },
      ],
      /has no target/,
    ],
    [
      [
        { path: 'f', content: '1' },
        { path: 'f/x', content: '1' },
      ],
      /not a directory/,
    ],
    [
      [
        { path: 'a', kind: 'symlink', linkPath: 'b' },
        { path: 'b', kind: 'symlink', linkPath: 'a' },
        { path: 'a/x', content: '1' },
      ],
      /too many levels/,
    ],
    [[{ path: 'l', kind: 'symlink', linkPath: '' }], /target of 0 bytes/],
    [[{ path: 'l', kind: 'symlink', linkPath: 'x'.repeat(4096) }], /target of 4096 bytes/],
    [[{ path: 'f', uid: 2 ** 32 }], /owner 4294967296 is out of range/],
    [[{ path: 'd', kind: 'block', deviceMajor: 4096 }], /device 4096:0 is not possible/],
    [[{ path: 'f', xattrs: { [`user.${'n'.repeat(300)}`]: 'x' } }], /attribute .* is too large/],
    [[{ path: 'f', xattrs: { 'user.a': 'x'.repeat(70_000) } }], /attribute "user.a" is too large/],
  ];
  for (const [members, pattern] of cases) {
    await assert.rejects(write(layerTar(members)), (error) => isFault(error, 'tar-invalid') && pattern.test(error.message), JSON.stringify(members));
  }
});

test("overlayfs's own attributes can't come from an archive", async () => {
  const file = await squash(layerTar([{ path: 'd', kind: 'directory', xattrs: { 'trusted.overlay.redirect': '/etc', 'trusted.other': 'kept' } }]));
  await mounted([file], async (root) => {
    assert.equal(Buffer.from(await xattr(root, 'd', 'trusted.other'), 'hex').toString(), 'kept');
    await assert.rejects(xattr(root, 'd', 'trusted.overlay.redirect'));
  });
});

test('a layer shows what tar unpacks', async () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
  const size = fc.constantFrom(0, 1, 511, 512, 513, 131_071, 131_072, 131_073, 400_000);
  const member = fc.record({ path, size, mode: fc.constantFrom(0o644, 0o600, 0o4755), uid: fc.constantFrom(0, 7, 70_000), link: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 25 }), async (wanted) => {
      // A file's name ends in its size, so that none is another's directory.
      const members = wanted.flatMap(({ path: at, size: bytes, mode, uid, link }): Member[] => {
        const file = { path: `${at}.${bytes}`, content: 'z'.repeat(bytes), mode, uid };
        return link
          ? [file, { path: `${at}.${bytes}.link`, kind: 'hardlink', linkPath: file.path }, { path: `${at}.s`, kind: 'symlink', linkPath: at }]
          : [file];
      });
      const directories = new Set(members.flatMap(({ path: at }) => [...at.matchAll(/\//g)].map(({ index }) => at.slice(0, index))));
      const tar = layerTar([...members, ...[...directories].sort().map((at) => ({ path: at, kind: 'directory' as const, mode: 0o750 }))]);
      const { path: file } = await write(tar);
      const unpacked = `${file}.unpacked`;
      await mkdir(unpacked);
      await writeFile(`${file}.tar`, tar);
      await run('tar', ['-C', unpacked, '--numeric-owner', '-xpf', `${file}.tar`]);
      assert.deepEqual(await mounted([file], (root) => contents(root, { links: true })), await contents(unpacked, { links: true }));
      await rm(unpacked, { recursive: true });
    }),
    { numRuns: 25, endOnFailure: true },
  );
});
