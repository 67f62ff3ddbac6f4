import { createHash } from 'node:crypto';
import type { FileTree, Inode } from '@berth/images';
import { below, type Source } from './sources.ts';

/** What has been read once is known, for as long as its tree is. */
const known = new WeakMap<Inode, string>();

/**
 * What a copy will bring, whatever its times: names, kinds, modes, content. As dockerd says it: `file:…`, `dir:…` of one,
 * `multi:…` of several.
 */
export async function digestOf(sources: readonly Source[]): Promise<string> {
  const digests: string[] = [];
  for (const source of sources) {
    const { node, tree } = source;
    if (node.kind === 'file') {
      await readAll(tree, [node.inode]);
      digests.push(`file:${known.get(node.inode) ?? ''}`);
      continue;
    }
    const files = [...below(node)];
    await readAll(
      tree,
      files.flatMap(([, file]) => (file.kind === 'file' ? [file.inode] : [])),
    );
    const hash = createHash('sha256');
    for (const [path, file] of files) {
      hash.update(`${path}\0${file.kind === 'file' ? (known.get(file.inode) ?? '') : `directory ${(file.entry?.mode ?? 0o755).toString(8)}`}\n`);
    }
    digests.push(`dir:${hash.digest('hex')}`);
  }
  const [only] = digests;
  if (digests.length === 1 && only !== undefined) return only;
  return `multi:${createHash('sha256').update(digests.join()).digest('hex')}`;
}

async function readAll(tree: FileTree, inodes: readonly Inode[]): Promise<void> {
  const unknown = new Set(inodes.filter((inode) => !known.has(inode)));
  if (unknown.size === 0) return;
  for await (const { inode, entry, body } of tree.read(unknown)) {
    const { kind, mode, linkPath, deviceMajor, deviceMinor, sizeBytes } = entry;
    const hash = createHash('sha256').update(JSON.stringify([kind, mode, linkPath, deviceMajor, deviceMinor, sizeBytes, [...entry.xattrs].sort()]));
    for await (const piece of body) hash.update(piece);
    known.set(inode, hash.digest('hex'));
  }
}
