import type { TarEntry } from '../tar/tar-entry.ts';
import type { DirectoryNode, Inode } from './layer-tree.ts';

/** What is to be written for a tree, in the order it is written: directories and whiteouts, files, links. */
export interface LayerPlan {
  /** Of the root directory, which no archive can carry to sqfstar. */
  readonly root: TarEntry;
  /** Directories, parents first, and whiteouts as overlayfs wants them (character device 0/0). */
  readonly head: readonly TarEntry[];
  /** For each layer: member position → the path its content goes to. */
  readonly files: readonly ReadonlyMap<number, string>[];
  /** Further names of files: path and the path it links to. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** Bytes of file content, each inode once; what Docker calls the layer's size. */
  readonly contentBytes: number;
  /** Everything below is hidden: the root itself was opaque. */
  readonly opaque: boolean;
}

const OPAQUE = new Map([['trusted.overlay.opaque', 'y']]);
const NONE: ReadonlyMap<string, string> = new Map();

/** Lays a tree out in an order that depends on nothing but its content. */
export function planLayer(root: DirectoryNode, layers: number): LayerPlan {
  const head: TarEntry[] = [];
  const files: Map<number, string>[] = Array.from({ length: layers }, () => new Map<number, string>());
  const links: { path: string; target: string }[] = [];
  const first = new Map<Inode, string>();
  let contentBytes = 0;

  const walk = (node: DirectoryNode, path: string, hidden: boolean) => {
    for (const name of [...node.children.keys()].sort()) {
      if (name.startsWith('.wh..wh.')) continue;
      const child = node.children.get(name);
      const at = path === '' ? name : `${path}/${name}`;
      if (child === undefined) continue;
      if (child.kind === 'directory') {
        head.push({ ...(child.entry ?? implied()), path: at, xattrs: directoryXattrs(child) });
        walk(child, at, hidden || child.opaque);
      } else if (child.kind === 'whiteout') {
        // Inside an opaque directory there is nothing to hide, and overlayfs would list the mark itself.
        if (!hidden) head.push({ ...implied(), kind: 'character', mode: 0, path: at });
      } else {
        const known = first.get(child.inode);
        if (known !== undefined) {
          links.push({ path: at, target: known });
          continue;
        }
        first.set(child.inode, at);
        files[child.inode.layer]?.set(child.inode.index, at);
        contentBytes += child.inode.contentBytes;
      }
    }
  };
  walk(root, '', root.opaque);
  return { root: root.entry ?? implied(), head, files, links, contentBytes, opaque: root.opaque };
}

/** A directory nobody described: as Docker makes it. */
function implied(): TarEntry {
  return {
    kind: 'directory',
    path: '',
    mode: 0o755,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtime: 0,
    linkPath: '',
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NONE,
  };
}

function directoryXattrs(node: DirectoryNode): ReadonlyMap<string, string> {
  const own = keptXattrs(node.entry?.xattrs ?? NONE);
  return node.opaque ? new Map([...own, ...OPAQUE]) : own;
}

/**
 * The attributes squashfs can hold. Those of overlayfs itself are dropped: in an archive they could only be there to
 * point the union at something else.
 */
export function keptXattrs(xattrs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (xattrs.size === 0) return xattrs;
  return new Map([...xattrs].filter(([name]) => /^(?:user|security|trusted)\../s.test(name) && !name.startsWith('trusted.overlay.')));
}
