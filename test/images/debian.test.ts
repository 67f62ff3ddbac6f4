/** A whole Debian root file system goes in; what a machine would mount is it, file by file. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ImageStore, TarReader } from '@berth/images';
import { run } from '@berth/sys';
import { debianPythonTar } from '../real/debian-image.ts';

/** Every member of a tar: what it is, whose, when, and what is in it; all names of a file have the same content. */
async function members(path: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const reader = new TarReader(createReadStream(path, { highWaterMark: 1 << 18 }));
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const name = entry.path.replace(/^\.\//, '').replace(/\/$/, '');
    if (entry.kind === 'hardlink') {
      found.set(name, found.get(entry.linkPath.replace(/^\.\//, '')) ?? 'a link to nothing');
      continue;
    }
    const hash = createHash('sha1');
    for await (const piece of reader.body()) hash.update(piece);
    const content = entry.kind === 'symlink' ? entry.linkPath : hash.digest('hex');
    const mode = entry.kind === 'symlink' ? '' : entry.mode.toString(8);
    const device = `${entry.deviceMajor}:${entry.deviceMinor}`;
    found.set(name, [entry.kind, mode, entry.uid, entry.gid, entry.mtime, device, ...[...entry.xattrs].flat(), content].join(' '));
  }
  return found;
}

test('a Debian root, imported, saved and loaded again, is the same file by file', { timeout: 1200_000 }, async () => {
  const tar = await debianPythonTar();
  const directory = await mkdtemp(join(tmpdir(), 'bt-debian-'));
  const point = join(directory, 'root');
  await mkdir(point);
  try {
    await using store = await ImageStore.open({ directory: join(directory, 'store') });
    const image = await store.import(createReadStream(tar), { reference: 'debian:python', changes: ['CMD ["bash"]'] });

    const [layer] = store.rootfs(image).layers;
    assert.ok(layer !== undefined);
    await run('mount', ['-t', 'squashfs', '-o', 'loop,ro', layer.path, point]);
    try {
      assert.equal((await run('chroot', [point, 'python3', '-c', 'import sys; print(sys.version_info.major)'])).stdout, '3\n');
      const seen = join(directory, 'seen.tar');
      await run('tar', ['-cf', seen, '--format=posix', '--xattrs', '--xattrs-include=*', '-C', point, '.'], { timeoutMs: 120_000 });
      const [given, mounted] = [await members(tar), await members(seen)];
      assert.ok(given.size > 3000);
      // Sub-second times are cut: squashfs has none.
      assert.deepEqual([...mounted].sort(), [...given].sort());
    } finally {
      await run('umount', [point]);
    }

    await using other = await ImageStore.open({ directory: join(directory, 'other') });
    const [copy] = await other.load(store.save(['debian:python']), { progress: () => undefined });
    assert.equal(copy?.id, image.id);
    assert.equal(copy?.sizeBytes, image.sizeBytes);
  } finally {
    await rm(directory, { recursive: true });
  }
});
