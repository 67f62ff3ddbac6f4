import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import fc from 'fast-check';
import { formatPaxRecord } from './pax.ts';
import type { TarEntry } from './tar-entry.ts';
import { TarReader } from './tar-reader.ts';
import { END_OF_ARCHIVE, padding, tarHeader } from './tar-writer.ts';

interface Member {
  readonly entry: TarEntry;
  readonly content: Buffer;
}

async function readAll(source: AsyncIterable<Buffer>): Promise<Member[]> {
  const reader = new TarReader(source);
  const members: Member[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const pieces: Buffer[] = [];
    for await (const piece of reader.body()) pieces.push(Buffer.from(piece));
    members.push({ entry, content: Buffer.concat(pieces) });
  }
  return members;
}

async function* inPieces(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

const plain: TarEntry = {
  kind: 'file',
  path: 'f',
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtime: 0,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map(),
};

function file(path: string, content: Buffer | string, more: Partial<TarEntry> = {}): Buffer {
  const data = Buffer.from(content);
  return Buffer.concat([tarHeader({ ...plain, path, sizeBytes: data.length, ...more }), data, padding(data.length)]);
}

function rejects(data: Buffer, pattern: RegExp): Promise<void> {
  return assert.rejects(readAll(inPieces(data, 700)), (error) => isFault(error, 'tar-invalid') && pattern.test(error.message));
}

const name = fc.string({
  unit: fc
    .integer({ min: 1, max: 255 })
    .filter((code) => code !== 0x2f)
    .map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 300,
});
const entries = fc.array(
  fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/')),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.nat(0xffff_fffe),
    gid: fc.nat(0xffff_fffe),
    mtime: fc.nat(0xffff_ffff),
    xattrs: fc.dictionary(fc.stringMatching(/^user\.[a-z]{1,8}$/), fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) })),
    content: fc.uint8Array({ maxLength: 3000 }),
  }),
  { maxLength: 6 },
);

test('what the writer writes, the reader reads, however the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(entries, fc.integer({ min: 1, max: 5000 }), async (wanted, size) => {
      const data = Buffer.concat([
        ...wanted.map(({ content, xattrs, ...more }) => file(more.path, Buffer.from(content), { ...more, xattrs: new Map(Object.entries(xattrs)) })),
        END_OF_ARCHIVE,
      ]);
      const read = await readAll(inPieces(data, size));
      assert.deepEqual(
        read.map(({ entry, content }) => ({
          path: entry.path,
          mode: entry.mode,
          uid: entry.uid,
          gid: entry.gid,
          mtime: entry.mtime,
          xattrs: Object.fromEntries(entry.xattrs),
          content,
        })),
        wanted.map((one) => ({ ...one, xattrs: { ...one.xattrs }, content: Buffer.from(one.content) })),
      );
    }),
    { numRuns: 100 },
  );
});

test('arbitrary bytes give members or a Fault, nothing else', async () => {
  const base = Buffer.concat([file('a', 'hello'), file(`long/${'x'.repeat(200)}`, 'y'.repeat(600), { xattrs: new Map([['user.a', 'b']]) }), END_OF_ARCHIVE]);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 8 }), fc.nat(base.length), async (changes, cut) => {
      const data = Buffer.from(base).subarray(0, base.length - cut);
      for (const [at, byte] of changes) if (at < data.length) data[at] = byte;
      await readAll(inPieces(data, 512)).catch((error: unknown) => assert.ok(isFault(error), String(error)));
    }),
    { numRuns: 300 },
  );
});

test('reads what GNU tar writes in each of its formats, sparse files expanded', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-tar-'));
  try {
    const long = `dir/${'n'.repeat(180)}`;
    await run('mkdir', [join(directory, 'dir')]);
    await writeFile(join(directory, long), 'long name');
    await run('ln', ['-s', 't'.repeat(150), join(directory, 'link')]);
    await run('ln', [join(directory, long), join(directory, 'hard')]);
    await run('mknod', [join(directory, 'device'), 'c', '12', '34']);
    const hole = await open(join(directory, 'sparse'), 'w');
    for (let piece = 0; piece < 30; piece++) await hole.write(Buffer.alloc(4096, 65 + (piece % 26)), 0, 4096, piece * 100_000);
    await hole.truncate(5_000_000);
    await hole.close();
    const expected = Buffer.alloc(5_000_000);
    for (let piece = 0; piece < 30; piece++) expected.fill(65 + (piece % 26), piece * 100_000, piece * 100_000 + 4096);

    const formats = [['gnu'], ['posix'], ['gnu', '-S'], ['posix', '-S'], ['posix', '-S', '--sparse-version=0.1'], ['posix', '-S', '--sparse-version=0.0']];
    for (const [format, ...options] of formats) {
      const archive = join(directory, '..', `${directory.split('/').at(-1)}.tar`);
      await run('tar', ['-cf', archive, `--format=${format}`, ...options, '-C', directory, '.']);
      const members = new Map((await readAll(createReadStream(archive, { highWaterMark: 1000 }))).map((member) => [member.entry.path, member]));
      await rm(archive);
      const say = [format, ...options].join(' ');
      assert.ok(members.get('./sparse')?.content.equals(expected), say);
      assert.equal(members.get('./sparse')?.entry.sizeBytes, 5_000_000, say);
      assert.equal(members.get('./link')?.entry.linkPath, 't'.repeat(150), say);
      assert.equal(members.get('./dir/')?.entry.kind, 'directory', say);
      assert.deepEqual([members.get('./device')?.entry.deviceMajor, members.get('./device')?.entry.deviceMinor], [12, 34], say);
      const hard = members.get('./hard')?.entry;
      assert.ok(hard?.kind === 'hardlink' ? hard.linkPath === `./${long}` : members.get(`./${long}`)?.entry.linkPath === './hard', say);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('refuses archives that are cut short, wherever', async () => {
  const data = Buffer.concat([file('a', 'x'.repeat(700)), file('n'.repeat(150), 'y')]);
  for (const end of [100, 512, 513, 1100, 1535, 1600, 2048, 2600, data.length - 511]) await rejects(data.subarray(0, end), /unexpected EOF/);
  assert.equal((await readAll(inPieces(data, 512))).length, 2, 'without the empty blocks at the end it is whole all the same');
});

test('refuses what is no tar, and what comes after its end', async () => {
  await rejects(Buffer.from('this is no tar archive, it is just text'.repeat(100)), /invalid tar header/);
  await rejects(Buffer.concat([file('a', 'x'), END_OF_ARCHIVE, Buffer.from('garbage')]), /after the end/);
  assert.equal((await readAll(inPieces(Buffer.concat([file('a', 'x'), END_OF_ARCHIVE, Buffer.alloc(10_000)]), 512))).length, 1);
  assert.deepEqual(await readAll(inPieces(Buffer.alloc(0), 1)), []);
});

test('refuses hostile headers', async () => {
  const pax = (record: Buffer) => Buffer.concat([file('PaxHeaders/x', record).fill('x', 156, 157), Buffer.alloc(0)]);
  const resum = (data: Buffer) => {
    data.write('        ', 148, 'latin1');
    let sum = 0;
    for (const byte of data.subarray(0, 512)) sum += byte;
    data.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return data;
  };
  const withPax = (key: string, value: string) => Buffer.concat([resum(pax(formatPaxRecord(key, value))), file('a', 'x'), END_OF_ARCHIVE]);
  await rejects(withPax('path', 'a\0b'), /NUL/);
  await rejects(withPax('size', '-5'), /size is not a number/);
  await rejects(Buffer.concat([resum(pax(Buffer.from('5 a=b\n'))), file('a', 'x')]), /malformed PAX/);
  await rejects(withPax('GNU.sparse.map', '0,100,50,100'), /sparse/);
  const huge = file('a', '');
  huge.write('77777777777\0', 124, 'latin1');
  await rejects(resum(huge), /unexpected EOF/);
  const negative = file('a', '');
  negative.fill(0xff, 124, 136);
  await rejects(resum(negative), /negative size/);
  const special = file('PaxHeaders/x', '');
  special.write('x', 156, 'latin1');
  special.write('00077777777\0', 124, 'latin1');
  await rejects(resum(special), /too long/);
  const unknown = file('a', '');
  unknown.write('Z', 156, 'latin1');
  await rejects(resum(unknown), /unhandled tar header type 90/);
});
