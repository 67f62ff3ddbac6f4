import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { test } from 'node:test';
import type { FileEntry, FilePiece } from '@berth/runtime';
import { fromTar, toTar } from './tar-pieces.ts';

const entry = (path: string, changes: Partial<FileEntry> = {}): FileEntry => ({
  kind: 'file',
  path,
  mode: 0o640,
  uid: 4_000_000_000,
  gid: 2,
  sizeBytes: 0,
  mtime: 7,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map(),
  ...changes,
});

const given: readonly FilePiece[] = [
  { type: 'entry', entry: entry('', { kind: 'directory' }) },
  { type: 'entry', entry: entry('x', { sizeBytes: 600, xattrs: new Map([['user.a', '\xff\0']]) }) },
  { type: 'data', data: Buffer.alloc(600, 1) },
  { type: 'entry', entry: entry('y', { kind: 'hardlink', linkPath: 'x' }) },
  { type: 'entry', entry: entry('z', { kind: 'symlink', linkPath: '../any where' }) },
  { type: 'entry', entry: entry('hole', { sizeBytes: 1 << 20 }) },
  { type: 'hole', sizeBytes: 1 << 20 },
  { type: 'entry', entry: entry(`${'long/'.repeat(60)}caf\xe9`) },
];

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('files become a tar under the name asked for, and files again', async () => {
  const tar = Buffer.concat(await collect(toTar(stream(given), 'base')));
  for (const archive of [tar, gzipSync(tar)]) {
    const back = await collect(fromTar(stream([archive]), '/t'));
    const entries = back.flatMap((piece) => (piece.type === 'entry' ? [piece.entry] : []));
    const renamed = given.flatMap((piece) => (piece.type === 'entry' ? [piece.entry] : []));
    assert.deepEqual(
      entries,
      renamed.map((one) => ({
        ...one,
        path: one.path === '' ? 'base' : `base/${one.path}`,
        linkPath: one.kind === 'hardlink' ? `base/${one.linkPath}` : one.linkPath,
      })),
    );
    const bytes = (type: 'data' | 'hole') =>
      back.reduce((sum, piece) => sum + (piece.type === type ? ('data' in piece ? piece.data.length : 'sizeBytes' in piece ? piece.sizeBytes : 0) : 0), 0);
    assert.equal(bytes('data') + bytes('hole'), 600 + (1 << 20));
    assert.ok(bytes('hole') > 1 << 19, 'runs of zeros stay holes');
  }
});

test('names that lead out are refused; absolute ones are not absolute', async () => {
  const read = async (path: string, changes: Partial<FileEntry> = {}) => {
    const tar = Buffer.concat(await collect(toTar(stream<FilePiece>([{ type: 'entry', entry: entry(path, changes) }]), '')));
    const [piece] = await collect(fromTar(stream([tar]), '/t'));
    return piece?.type === 'entry' ? piece.entry.path : undefined;
  };
  for (const path of ['..', '../x', 'a/../../x', '/../x']) await assert.rejects(read(path), { code: 'archive-invalid' }, path);
  await assert.rejects(read('x', { kind: 'hardlink', linkPath: '../y' }), { code: 'archive-invalid', message: '"../y" is outside of "/t"' });
  assert.equal(await read('/x/./y//z'), 'x/y/z');
  assert.equal(await read('./'), '');
});
