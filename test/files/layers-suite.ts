import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { END_OF_ARCHIVE, padding, tarHeader, TarReader, type TarEntry } from '@berth/images';
import { writeBusyboxImage } from '../oracle/index.ts';
import { assertSame } from './same.ts';
import type { Sides } from './sides.ts';

const SMALL_LAYERS = 40;

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

/** Files come, change, move from one kind to another and go; directories are made opaque and emptied. */
function members(layer: number): [string, Partial<TarEntry>?, string?][] {
  const own = `t/own/${layer}`;
  // A further name's member says what its first name's did, as every archiver has it.
  const ownIs = { mode: layer % 2 === 0 ? 0o644 : 0o4750, uid: layer, mtime: layer };
  const list: [string, Partial<TarEntry>?, string?][] = [
    [own, ownIs, `own ${layer}\n`],
    ['t/last', {}, `${layer}\n`],
    [`t/turn${layer % 5}`, layer % 2 === 0 ? {} : { kind: 'symlink', linkPath: `own/${layer}` }, layer % 2 === 0 ? 'file\n' : ''],
    [`t/dir${layer % 7}/in${layer}`, {}, `${layer}\n`],
  ];
  if (layer > 3) list.push([`t/own/.wh.${layer - 3}`]);
  if (layer % 11 === 0) list.push([`t/dir${layer % 7}/.wh..wh..opq`]);
  if (layer % 13 === 0) list.push([`t/.wh.dir${(layer + 1) % 7}`]);
  if (layer % 4 === 0) list.push([`t/link${layer}`, { ...ownIs, kind: 'hardlink', linkPath: own }]);
  return list;
}

function layerTar(layer: number): Buffer {
  const pieces = members(layer).flatMap(([path, more = {}, content = '']) => {
    const data = Buffer.from(content);
    const entry: TarEntry = {
      kind: 'file',
      path,
      mode: 0o644,
      uid: 0,
      gid: 0,
      sizeBytes: data.length,
      mtime: 1_000,
      linkPath: '',
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: new Map(),
      ...more,
    };
    return [tarHeader(entry), data, padding(data.length)];
  });
  return Buffer.concat([...pieces, END_OF_ARCHIVE]);
}

/** Busybox and many small layers above it, as `docker save` writes it. */
async function writeArchive(path: string): Promise<void> {
  await writeBusyboxImage(path);
  const files = new Map<string, Buffer>();
  const reader = new TarReader(createReadStream(path));
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const parts: Buffer[] = [];
    for await (const part of reader.body()) parts.push(Buffer.from(part));
    files.set(entry.path, Buffer.concat(parts));
  }
  const base = files.get('layer.tar') ?? assert.fail('no layer');
  const layers = [base, ...Array.from({ length: SMALL_LAYERS }, (_, index) => layerTar(index + 1))];
  const configuration = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
    }),
  );
  const manifest = Buffer.from(JSON.stringify([{ Config: 'c.json', RepoTags: ['many:1'], Layers: layers.map((_, index) => `${index}.tar`) }]));
  const all: [string, Buffer][] = [
    ['c.json', configuration],
    ...layers.map((layer, index): [string, Buffer] => [`${index}.tar`, layer]),
    ['manifest.json', manifest],
  ];
  const file = (name: string, data: Buffer) => {
    const entry: TarEntry = {
      kind: 'file',
      path: name,
      mode: 0o644,
      uid: 0,
      gid: 0,
      sizeBytes: data.length,
      mtime: 0,
      linkPath: '',
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: new Map(),
    };
    return [tarHeader(entry), data, padding(data.length)];
  };
  await writeFile(path, Buffer.concat([...all.flatMap(([name, data]) => file(name, data)), END_OF_ARCHIVE]));
}

const LOOK = `cd /t && find . | sort | while read f; do stat -c '%n %F %a %u:%g %h %Y' "$f" | sed '/directory/s/ [0-9]* [0-9]*$//'; [ -d "$f" ] || cat "$f" 2>&1; done`;

/** An image of many layers is what dockerd makes of it, and one more layer goes on top of it. */
export function layersSuite(sides: () => Sides): void {
  describe(`an image of ${SMALL_LAYERS + 1} layers`, { timeout: 480_000 }, () => {
    test('shows the same files as in dockerd, and so does a commit on top of it', async () => {
      const archive = join(sides().directory, 'many.tar');
      await writeArchive(archive);
      const both = await sides().both(async ({ docker }) => {
        await docker.ok(['load', '-q', '-i', archive], { timeoutMs: 150_000 });
        const before = await docker.ok(['run', '--name', 'many', 'many:1', 'sh', '-c', `${LOOK}; rm /t/last; echo more >/t/more; touch -d @5 /t/more`], {
          timeoutMs: 60_000,
        });
        await docker.ok(['commit', 'many', 'many:2']);
        await docker.ok(['rm', 'many']);
        const after = await docker.ok(['run', '--rm', 'many:2', 'sh', '-c', LOOK], { timeoutMs: 60_000 });
        assert.notEqual(after, before);
        return { before, after };
      });
      assert.ok(both[0].before.split('\n').length > 100, both[0].before);
      assertSame(both);
    });
  });
}
