import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FileEntry, FilePiece } from '@berth/runtime';
import { Trial } from '@berth/runtime/conformance';
import { World } from './testing/world.ts';

let world: World;
let trial: Trial;

before(async () => {
  world = await World.open();
  trial = new Trial({ name: 'bulk', cannot: [], subject: () => ({ runtime: world.runtime, rootfs: world.rootfs, reopen: () => world.reopen() }) });
});

after(async () => {
  await trial.clean();
  await world[Symbol.asyncDispose]();
});

const entry = (path: string, sizeBytes: number): FileEntry => ({
  kind: 'file',
  path,
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes,
  mtime: 1,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map(),
});

/** In pieces as a socket gives them, a hole before each of the last contents. */
async function* pieces(contents: ReadonlyMap<string, Buffer>, hole = 0): AsyncGenerator<FilePiece> {
  for (const [path, data] of contents) {
    yield { type: 'entry', entry: entry(path, hole + data.length) };
    if (hole > 0) yield { type: 'hole', sizeBytes: hole };
    for (let at = 0; at < data.length; at += 65_000) yield { type: 'data', data: data.subarray(at, at + 65_000) };
  }
}

async function readBack(files: { read(path: string): Promise<{ pieces: AsyncIterable<FilePiece> }> }, path: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const piece of (await files.read(path)).pieces) {
    if (piece.type === 'data') parts.push(Buffer.from(piece.data));
    else if (piece.type === 'hole') parts.push(Buffer.alloc(piece.sizeBytes));
  }
  return Buffer.concat(parts);
}

for (const way of ['forked', 'restored'] as const)
  test(`much content arrives and comes back as it was, side by side, and leaves no memory taken: ${way}`, { timeout: 120_000 }, async () => {
    await world.reopen({ forks: way === 'forked' });
    world.runtime.warm({ rootfs: world.rootfs });
    await world.runtime.warmed();
    const spec = trial.spec(['sh', '-c', 'read x; md5sum /*.b | md5sum'], { limits: {}, process: { stdin: true } });
    const { container, recorder } = await trial.start(spec);
    await using files = await world.runtime.files({ id: spec.id, rootfs: spec.rootfs });
    const sizes = [1, 65_535, 65_536, 983_039, 983_040, 983_041, 5_000_001, 300_000];
    const contents = new Map(sizes.map((size, index) => [`${index}.b`, randomBytes(size)]));
    const others = new Map(sizes.map((size, index) => [`other${index}.b`, randomBytes(size)]));
    await Promise.all([files.write('/', pieces(contents)), files.write('/', pieces(others, 10_000_001))]);
    await Promise.all(
      [...contents].map(async ([path, data]) => {
        assert.ok((await readBack(files, `/${path}`)).equals(data), path);
      }),
    );
    for (const [path, data] of others) assert.ok((await readBack(files, `/${path}`)).equals(Buffer.concat([Buffer.alloc(10_000_001), data])), path);
    await container.writeStdin(Buffer.from('\n'));
    await container.exited;
    assert.match(recorder.text('stdout'), /^[0-9a-f]{32} /);
    const vms = join(world.directory, 'run', 'vms');
    for (const vm of await readdir(vms)) assert.ok((statSync(join(vms, vm, 'spool'), { throwIfNoEntry: false })?.blocks ?? 0) < 16, vm);
    await container.destroy();
  });
