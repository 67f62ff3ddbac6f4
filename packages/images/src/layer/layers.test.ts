import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import fc from 'fast-check';
import type { TarEntry } from '../tar/tar-entry.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { END_OF_ARCHIVE, padding, tarHeader } from '../tar/tar-writer.ts';
import { planLayer } from './layer-plan.ts';
import { LayerTree } from './layer-tree.ts';
import { layOver, settle } from './merge.ts';
import { writeSquashfs } from './squash.ts';

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

async function treeOf(tar: Buffer, position = 0): Promise<LayerTree> {
  const tree = new LayerTree(position);
  const reader = new TarReader(chunks(tar));
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) tree.add(entry);
  return tree;
}

async function* chunks(data: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += 4096) yield data.subarray(at, at + 4096);
}

/** The squashfs of each layer, lowest first. */
async function squash(tar: Buffer, compression: 'none' | 'lz4' = 'none'): Promise<string> {
  const path = join(directory, `${count++}.squashfs`);
  await writeSquashfs(path, planLayer((await treeOf(tar)).root, 1), () => chunks(tar), { compression });
  return path;
}

async function squashMerged(tars: readonly Buffer[]): Promise<string> {
  const whole = new LayerTree().root;
  for (const [position, tar] of tars.entries()) {
    const { root } = await treeOf(tar, position);
    if (position === 0) settle(root);
    layOver(whole, root);
  }
  const path = join(directory, `${count++}.squashfs`);
  await writeSquashfs(path, planLayer(whole, tars.length), (layer) => chunks(tars[layer] as Buffer), { compression: 'none' });
  return path;
}

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

test('the same layer gives the same bytes, in every compression', async () => {
  const members: Member[] = [{ path: './', kind: 'directory', mtime: 5 }];
  for (let index = 0; index < 300; index++)
    members.push({ path: `d${index % 7}/f${index}`, content: `${index} `.repeat(index * 20), xattrs: index % 9 === 0 ? { 'user.a': `${index}` } : {} });
  const tar = layerTar(members);
  for (const compression of ['none', 'lz4'] as const) {
    const [first, second] = [await squash(tar, compression), await squash(tar, compression)];
    assert.ok((await readFile(first)).equals(await readFile(second)), compression);
    await mounted([first], async (root) => assert.equal((await contents(root)).length, 307));
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
  const merged = await mounted([await squashMerged([lower, upper])], (root) => contents(root));
  const names = seen.map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['/both', '/bothdir', '/bothdir/new', '/dir', '/dir/sub', '/keep', '/late', '/late/new', '/opaque', '/opaque/new']);
  assert.deepEqual(merged, seen);
});

test('an opaque root is told, not written', async () => {
  const tree = await treeOf(layerTar([{ path: '.wh..wh..opq' }, { path: 'a', content: '1' }]));
  assert.equal(planLayer(tree.root, 1).opaque, true);
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
    await assert.rejects(treeOf(layerTar(members)), (error) => isFault(error, 'tar-invalid') && pattern.test(error.message), JSON.stringify(members));
  }
});

test("overlayfs's own attributes can't come from an archive", async () => {
  const file = await squash(layerTar([{ path: 'd', kind: 'directory', xattrs: { 'trusted.overlay.redirect': '/etc', 'trusted.other': 'kept' } }]));
  await mounted([file], async (root) => {
    assert.equal(Buffer.from(await xattr(root, 'd', 'trusted.other'), 'hex').toString(), 'kept');
    await assert.rejects(xattr(root, 'd', 'trusted.overlay.redirect'));
  });
});

test('merging layers gives what overlayfs shows of them', async () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(name, { minLength: 1, maxLength: 3 });
  const member: fc.Arbitrary<Member> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(path, fc.string({ unit: fc.constantFrom('x', 'y'), maxLength: 3 }), fc.constantFrom(0o644, 0o600))
        .map(([names, content, mode]) => ({ path: names.join('/'), content, mode })),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(path, fc.constantFrom(0o755, 0o700)).map(([names, mode]) => ({ path: names.join('/'), kind: 'directory' as const, mode })),
    },
    { weight: 1, arbitrary: fc.tuple(path, path).map(([names, target]) => ({ path: names.join('/'), kind: 'hardlink' as const, linkPath: target.join('/') })) },
    { weight: 1, arbitrary: path.map((names) => ({ path: [...names.slice(0, -1), 's'].join('/'), kind: 'symlink' as const, linkPath: 'target' })) },
    { weight: 3, arbitrary: path.map((names) => ({ path: [...names.slice(0, -1), `.wh.${names.at(-1)}`].join('/') })) },
    { weight: 1, arbitrary: path.map((names) => ({ path: [...names, '.wh..wh..opq'].join('/') })) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(member, { maxLength: 10 }), { minLength: 2, maxLength: 4 }), async (layers) => {
      const tars: Buffer[] = [];
      for (const members of layers) {
        // Members that contradict each other are refused, and that is tested elsewhere: here they are left out.
        const accepted: Member[] = [];
        for (const one of members) {
          const candidate = [...accepted, one];
          if (
            await treeOf(layerTar(candidate)).then(
              () => true,
              () => false,
            )
          )
            accepted.push(one);
        }
        // Directories without a member of their own take owner and mode from below when merged, which overlayfs can't do.
        const described = describeAll(await treeOf(layerTar(accepted)));
        tars.push(layerTar([...accepted, ...described]));
      }
      const files = [];
      for (const tar of tars) files.push(await squash(tar));
      const merged = await squashMerged(tars);
      assert.deepEqual(await mounted([merged], (root) => contents(root)), await mounted(files, (root) => contents(root)));
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

function describeAll(tree: LayerTree): Member[] {
  const members: Member[] = [];
  const walk = (node: LayerTree['root'], path: string) => {
    for (const [name, child] of node.children) {
      if (child.kind !== 'directory') continue;
      if (child.entry === undefined) members.push({ path: `${path}${name}`, kind: 'directory', mode: 0o755 });
      walk(child, `${path}${name}/`);
    }
  };
  walk(tree.root, '');
  return members;
}
