import { tarInvalid } from '../faults.ts';
import type { StoredBody } from '../tar/tar-reader.ts';
import type { TarEntry, TarKind } from '../tar/tar-entry.ts';
import { checkEntry } from './check-entry.ts';
import { entryPath, whiteoutOf } from './entry-path.ts';

/** A file, symlink or device: what it is, and where in the tar its content stands. Hard links share one. */
export interface Inode {
  readonly kind: Exclude<TarKind, 'directory' | 'hardlink'>;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: ReadonlyMap<string, string>;
  readonly symlinkTarget: string | undefined;
  readonly contentBytes: number;
  readonly body: StoredBody;
  /** Which of the layers of an image, lowest first, and which of its members. */
  readonly layer: number;
  readonly index: number;
}

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly children: Map<string, LayerNode>;
  /** Absent: no member of its own, only implied by what lies in it. */
  entry: TarEntry | undefined;
  /** Hides what the layers below have in this directory. */
  opaque: boolean;
}
export interface FileNode {
  readonly kind: 'file';
  readonly inode: Inode;
}
export interface WhiteoutNode {
  readonly kind: 'whiteout';
}
export type LayerNode = DirectoryNode | FileNode | WhiteoutNode;

/** As the kernel: more links than this in one path is a loop. */
const MAX_LINKS = 40;

/** Squashfs numbers owners in 16 bits. */
const MAX_OWNERS = 65_000;

/**
 * What one layer's tar amounts to once unpacked in an empty directory, as Docker unpacks it: later members replace earlier
 * ones, directories merge, parents may be missing, symlinks on the way are followed inside the root. A file that is both
 * present and whited out in one layer stays (OCI: whiteouts concern lower layers only).
 */
export class LayerTree {
  readonly root: DirectoryNode = directory();
  readonly #owners = new Set<number>();
  readonly #layer: number;
  #members = 0;

  constructor(layer = 0) {
    this.#layer = layer;
  }

  /** Takes the next member of the tar, whose content is at `body`. Members must come in their order, all of them. */
  add(entry: TarEntry, body: StoredBody): void {
    checkEntry(entry);
    const index = this.#members++;
    this.#owners.add(entry.uid).add(entry.gid);
    if (this.#owners.size > MAX_OWNERS) throw tarInvalid(`a layer can't have more than ${MAX_OWNERS} owners`);
    const names = entryPath(entry.path);
    const name = names.pop();
    if (name === undefined) {
      if (entry.kind !== 'directory') throw tarInvalid('the root of a layer is not a directory');
      this.root.entry = entry;
      return;
    }
    const parent = this.#directoryAt(names);
    const whiteout = whiteoutOf(name);
    if (whiteout?.kind === 'opaque') parent.opaque = true;
    else if (whiteout?.kind === 'hides') this.#hide(parent, whiteout.name);
    else this.#put(parent, name, entry, { body, layer: this.#layer, index });
  }

  #put(parent: DirectoryNode, name: string, entry: TarEntry, place: Pick<Inode, 'body' | 'layer' | 'index'>): void {
    const present = parent.children.get(name);
    if (entry.kind === 'directory') {
      if (present?.kind === 'directory') {
        present.entry = entry;
        return;
      }
      const made = directory();
      made.entry = entry;
      made.opaque = present?.kind === 'whiteout';
      parent.children.set(name, made);
      return;
    }
    const { kind, mode, uid, gid, mtime, deviceMajor, deviceMinor, xattrs, linkPath, sizeBytes } = entry;
    if (kind === 'hardlink') {
      const target = this.#fileAt(entryPath(entry.linkPath));
      if (target === undefined) throw tarInvalid(`hard link ${JSON.stringify(entry.path)} has no target ${JSON.stringify(entry.linkPath)}`);
      parent.children.set(name, { kind: 'file', inode: target.inode });
      return;
    }
    const symlinkTarget = kind === 'symlink' ? linkPath : undefined;
    const contentBytes = symlinkTarget?.length ?? sizeBytes;
    const inode: Inode = { kind, mode, uid, gid, mtime, deviceMajor, deviceMinor, xattrs, symlinkTarget, contentBytes, ...place };
    parent.children.set(name, { kind: 'file', inode });
  }

  #hide(parent: DirectoryNode, name: string): void {
    const present = parent.children.get(name);
    if (present === undefined) parent.children.set(name, { kind: 'whiteout' });
    else if (present.kind === 'directory') present.opaque = true;
  }

  /** The directory a member lies in, made where missing. */
  #directoryAt(names: readonly string[]): DirectoryNode {
    let links = 0;
    let stack: DirectoryNode[] = [this.root];
    const rest = names.toReversed();
    while (rest.length > 0) {
      const name = rest.pop() as string;
      const here = stack.at(-1) as DirectoryNode;
      if (name === '..') {
        // At the root, `..` is the root: symlinks may say so, members' own paths can't (entryPath).
        if (stack.length > 1) stack.pop();
        continue;
      }
      const next = here.children.get(name);
      if (next?.kind === 'directory') {
        stack.push(next);
        continue;
      }
      if (next?.kind === 'file') {
        const target = next.inode.symlinkTarget;
        if (target === undefined) throw tarInvalid(`${JSON.stringify(names.join('/'))}: not a directory`);
        if (++links > MAX_LINKS) throw tarInvalid(`${JSON.stringify(names.join('/'))}: too many levels of symbolic links`);
        if (target.startsWith('/')) stack = [this.root];
        rest.push(
          ...target
            .split('/')
            .filter((part) => part !== '' && part !== '.')
            .toReversed(),
        );
        continue;
      }
      const made = directory();
      // Something lies under a name that is whited out: what the lower layers have there is hidden all the same.
      made.opaque = next?.kind === 'whiteout';
      here.children.set(name, made);
      stack.push(made);
    }
    return stack.at(-1) as DirectoryNode;
  }

  #fileAt(names: string[]): FileNode | undefined {
    const name = names.pop();
    if (name === undefined) return undefined;
    const node = this.#directoryAt(names).children.get(name);
    return node?.kind === 'file' ? node : undefined;
  }
}

function directory(): DirectoryNode {
  return { kind: 'directory', children: new Map(), entry: undefined, opaque: false };
}
