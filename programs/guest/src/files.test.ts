/** The workers that read and write files, as host processes under sanitizers: `--root` is the container's root. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GuestConnection } from '@berth/guest-protocol';
import type { FileEntry, FilePiece } from '@berth/runtime';
import { run } from '@berth/sys';
import { NativeAgent } from './testing/native-agent.ts';

const entry = (path: string, changes: Partial<FileEntry> = {}): FileEntry => ({
  kind: 'file',
  path,
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtime: 1_000_000_000,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map(),
  ...changes,
});

async function* stream(...items: readonly (FileEntry | Buffer | number)[]): AsyncGenerator<FilePiece> {
  for (const item of items) {
    if (typeof item === 'number') yield { type: 'hole', sizeBytes: item };
    else if (Buffer.isBuffer(item)) yield { type: 'data', data: item };
    else yield { type: 'entry', entry: item };
  }
}

/** An agent over a folder of its own, with something outside of it. */
async function withRoot(body: (connection: GuestConnection, root: string, outside: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-files-'));
  const [root, outside] = [join(folder, 'root'), join(folder, 'outside')];
  await mkdir(root);
  await mkdir(outside);
  try {
    await using agent = await NativeAgent.open(['--root', root]);
    await using connection = await agent.connect();
    await body(connection, root, outside);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readAll(connection: GuestConnection, path: string) {
  const { stat, pieces } = await connection.files.read(path);
  const entries: FileEntry[] = [];
  const contents = new Map<string, Buffer[]>();
  let holes = 0;
  for await (const piece of pieces) {
    if (piece.type === 'entry') entries.push(piece.entry);
    else {
      if (piece.type === 'hole') holes += piece.sizeBytes;
      const name = entries.at(-1)?.path ?? '';
      contents.set(name, [...(contents.get(name) ?? []), piece.type === 'data' ? Buffer.from(piece.data) : Buffer.alloc(piece.sizeBytes)]);
    }
  }
  return { stat, entries, holes, content: (name: string) => Buffer.concat(contents.get(name) ?? []) };
}

test('what is written comes back: every kind, owners, modes, times, attributes, holes', async () => {
  await withRoot(async (connection, root) => {
    const big = randomBytes(3_000_001);
    const long = `${'d'.repeat(200)}/${'e'.repeat(200)}/${'f'.repeat(200)}`;
    const given = [
      entry('dir', { kind: 'directory', mode: 0o2750, uid: 7, gid: 8 }),
      entry('dir/big', { sizeBytes: big.length, mode: 0o4755, uid: 4_000_000_000, gid: 65_535, xattrs: new Map([['user.note', 'a\0b']]) }),
      big,
      entry('dir/again', { kind: 'hardlink', linkPath: 'dir/big' }),
      entry('dir/link', { kind: 'symlink', linkPath: '../nowhere/at all', uid: 3 }),
      entry('pipe', { kind: 'fifo', mode: 0o600 }),
      entry('null', { kind: 'character', deviceMajor: 1, deviceMinor: 3, mode: 0o666 }),
      entry('sparse', { sizeBytes: (64 << 20) + 3 }),
      32 << 20,
      Buffer.alloc(4096, 1),
      (32 << 20) - 4096,
      Buffer.from('end'),
      entry('hole', { sizeBytes: 1 << 20 }),
      1 << 20,
      entry('empty', { mtime: -5 }),
      entry('caf\xe9 \xff'),
      entry(long, { sizeBytes: 1 }),
      Buffer.from('x'),
    ];
    await connection.files.write('/', stream(...given));
    const { stat, entries, content, holes } = await readAll(connection, '/');
    assert.equal(stat.kind, 'directory');
    const named = new Map(entries.map((one) => [one.path, one]));
    const link = named.get('dir/again');
    for (const one of given) {
      if (typeof one === 'number' || Buffer.isBuffer(one)) continue;
      // The first of two names is the file, the other the link; they come by name.
      if (one.path === 'dir/big') assert.deepEqual(named.get(one.path), { ...one, kind: 'hardlink', linkPath: 'dir/again', sizeBytes: 0, xattrs: new Map() });
      else if (one.path !== 'dir/again') assert.deepEqual(named.get(one.path), { ...one, mode: one.kind === 'symlink' ? 0o777 : one.mode });
    }
    assert.deepEqual([link?.mode, link?.uid, link?.sizeBytes, link?.xattrs.get('user.note')], [0o4755, 4_000_000_000, big.length, 'a\0b']);
    assert.ok(content('dir/again').equals(big));
    assert.equal(content('sparse').length, (64 << 20) + 3);
    assert.equal(content('sparse').subarray(-3).toString(), 'end');
    assert.ok(holes > 60 << 20, `${holes} bytes of holes`);
    assert.ok((await lstat(join(root, 'sparse'))).blocks * 512 < 1 << 20);
    assert.equal(named.get(long)?.sizeBytes, 1);
  });
});

test('stat says what dockerd says, also where a link leads in the end', async () => {
  await withRoot(async (connection, root) => {
    await mkdir(join(root, 'a/b'), { recursive: true });
    await writeFile(join(root, 'a/b/file'), 'four');
    await symlink('/a/b', join(root, 'to-b'));
    await symlink('../../to-b/file', join(root, 'a/up'));
    await symlink('gone/../there', join(root, 'dangling'));
    await symlink('loop', join(root, 'loop'));
    const of = async (path: string) => {
      const { kind, sizeBytes, linkTarget } = await connection.files.stat(path);
      return [kind, kind === 'file' ? sizeBytes : 0, linkTarget];
    };
    assert.deepEqual(await of('/a/b/file'), ['file', 4, '']);
    assert.deepEqual(await of('/to-b'), ['symlink', 0, '/a/b']);
    assert.deepEqual(await of('/to-b/'), ['directory', 0, '']);
    assert.deepEqual(await of('/to-b/.'), ['directory', 0, '']);
    assert.deepEqual(await of('/to-b/file'), ['file', 4, '']);
    assert.deepEqual(await of('/a/up'), ['symlink', 0, '/a/b/file']);
    assert.deepEqual(await of('/dangling'), ['symlink', 0, '/there']);
    assert.equal((await of('/loop'))[0], 'symlink');
    assert.deepEqual(await of('/'), ['directory', 0, '']);
    await assert.rejects(connection.files.stat('/none'), { code: 'file-not-found', kind: 'not-found' });
    await assert.rejects(connection.files.stat('/a/b/file/'), { code: 'file-failed' });
    await assert.rejects(connection.files.read('/none/x'), { code: 'file-not-found' });
  });
});

test('nothing leaves the root, in neither direction', async () => {
  await withRoot(async (connection, root, outside) => {
    await writeFile(join(outside, 'secret'), 'secret');
    await mkdir(join(root, 'in'));
    await symlink(outside, join(root, 'in/absolute'));
    await symlink(`../../../../../../../..${outside}`, join(root, 'in/relative'));
    for (const path of ['/in/absolute/', '/in/relative/', '/in/absolute/secret', '/../outside', `/in/../..${outside}/secret`]) {
      await assert.rejects(readAll(connection, path), { code: 'file-not-found' }, path);
    }
    assert.deepEqual(
      (await readAll(connection, '/in')).entries.map((one) => one.kind),
      ['directory', 'symlink', 'symlink'],
    );
    await assert.rejects(connection.files.write('/in/absolute', stream(entry('x'))), { code: 'file-not-found' });
    for (const path of ['../x', 'a/../../x', '/x', '..']) {
      await assert.rejects(connection.files.write('/in', stream(entry(path))), { code: 'archive-invalid' }, path);
    }
    await assert.rejects(connection.files.write('/in', stream(entry('x', { kind: 'hardlink', linkPath: '../../outside/secret' }))), {
      code: 'archive-invalid',
    });
    // A link made by the archive itself, and then a file through it: both stay below the root.
    await connection.files.write(
      '/in',
      stream(entry('out', { kind: 'symlink', linkPath: '../../outside' }), entry('out2', { kind: 'symlink', linkPath: '/' })),
    );
    await assert.rejects(connection.files.write('/in', stream(entry('out/planted'))), { code: 'file-not-found' });
    await connection.files.write('/in', stream(entry('out2/planted')));
    assert.deepEqual((await readdir(root)).sort(), ['in', 'planted']);
    assert.deepEqual(await readdir(outside), ['secret']);
  });
});

test('directories that turn into links while they are read or written lead nowhere', async () => {
  await withRoot(async (connection, root, outside) => {
    await writeFile(join(outside, 'secret'), 'secret');
    await mkdir(join(root, 'real'));
    await writeFile(join(root, 'real/secret'), 'mine');
    await symlink(outside, join(root, 'trap'));
    let racing = true;
    const race = (async () => {
      while (racing) {
        await rename(join(root, 'real'), join(root, 'aside')).catch(() => undefined);
        await rename(join(root, 'trap'), join(root, 'real')).catch(() => undefined);
        await rename(join(root, 'real'), join(root, 'trap')).catch(() => undefined);
        await rename(join(root, 'aside'), join(root, 'real')).catch(() => undefined);
      }
    })();
    for (let i = 0; i < 60; i++) {
      await connection.files.write('/', stream(entry('real/planted', { sizeBytes: 1 }), Buffer.from('p'))).catch(() => undefined);
      const read = await readAll(connection, '/').catch(() => undefined);
      for (const one of read?.entries ?? []) if (one.kind === 'file' && one.path.endsWith('secret')) assert.equal(read?.content(one.path).toString(), 'mine');
    }
    racing = false;
    await race;
    assert.deepEqual(await readdir(outside), ['secret']);
  });
});

test('what is there is replaced, directories merge, and kinds are kept when asked', async () => {
  await withRoot(async (connection, root) => {
    await mkdir(join(root, 'd/deep/er'), { recursive: true });
    await writeFile(join(root, 'd/kept'), 'kept');
    await writeFile(join(root, 'f'), 'old');
    await connection.files.write('/', stream(entry('d', { kind: 'directory', mode: 0o700 }), entry('d/deep/new', { sizeBytes: 3 }), Buffer.from('new')));
    assert.deepEqual((await readdir(join(root, 'd'))).sort(), ['deep', 'kept']);
    assert.equal((await lstat(join(root, 'd'))).mode & 0o7777, 0o700);
    const keepKinds = { keepKinds: true };
    await assert.rejects(connection.files.write('/', stream(entry('d')), keepKinds), {
      code: 'cannot-overwrite',
      message: 'cannot overwrite directory "/d" with non-directory "/"',
    });
    await assert.rejects(connection.files.write('/', stream(entry('f', { kind: 'directory' })), keepKinds), {
      message: 'cannot overwrite non-directory "/f" with directory "/"',
    });
    await connection.files.write('/', stream(entry('d', { kind: 'symlink', linkPath: 'f' }), entry('f', { sizeBytes: 2 }), Buffer.from('ok')));
    assert.equal(await readlink(join(root, 'd')), 'f');
    assert.equal(await readFile(join(root, 'f'), 'utf8'), 'ok');
    await connection.files.write('/', stream(entry('made/on/the/way')));
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'etc/passwd'), 'app:x:1234:567::/:\n');
    await connection.files.write('/', stream(entry('owned', { uid: 9 })), { owner: 'app' });
    const { uid, gid } = await lstat(join(root, 'owned'));
    assert.deepEqual([uid, gid], [1234, 567]);
    await assert.rejects(connection.files.write('/', stream(entry('x')), { owner: 'nobody-here' }), { code: 'user-not-found' });
    await assert.rejects(connection.files.write('/f', stream()), { code: 'not-a-directory', message: 'extraction point is not a directory' });
  });
});

test('a reader or writer that goes ends its worker, and the agent goes on', async () => {
  await withRoot(async (connection, root) => {
    await writeFile(join(root, 'large'), Buffer.alloc(8 << 20, 7));
    const workers = async () => (await run('sh', ['-c', `for p in /proc/[0-9]*; do [ "$(readlink $p/root)" = ${root} ] && echo $p; done; true`])).stdout;
    for (let i = 0; i < 3; i++) for await (const piece of (await connection.files.read('/large')).pieces) if (piece.type === 'data') break;
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<FilePiece> {
      yield { type: 'entry', entry: entry('endless', { sizeBytes: 2 ** 40 }) };
      for (let i = 0; ; i++) {
        if (i === 40) stop.abort(new Error('enough'));
        yield { type: 'data', data: Buffer.alloc(65_536) };
      }
    }
    await assert.rejects(connection.files.write('/', endless(), { signal: stop.signal }), /enough/);
    await assert.rejects(connection.files.write('/', stream(entry('short', { sizeBytes: 5 }), Buffer.from('1234'))), { code: 'archive-invalid' });
    await assert.rejects(connection.files.write('/', stream(entry('over', { sizeBytes: 3 }), Buffer.from('1234'))), { code: 'archive-invalid' });
    assert.equal((await connection.files.stat('/large')).sizeBytes, 8 << 20);
    for (const end = Date.now() + 5_000; (await workers()) !== '' && Date.now() < end; );
    assert.equal(await workers(), '');
  });
});
