import type { DirectoryNode, FileNode, Inode } from '../layer/layer-tree.ts';
import type { TarEntry } from '../tar/tar-entry.ts';

/** As the kernel. */
const MAX_LINKS = 40;
const LARGEST_TEXT_BYTES = 1 << 20;

/** A place in a tree, by its real path: names from the root, no link among the directories. */
export interface Place {
  readonly names: readonly string[];
  /** Absent: nothing is there. A directory on the way may be missing, too. */
  readonly node: DirectoryNode | FileNode | undefined;
}

/** A file with its content, which is to be read before the next is asked for. */
export interface Member {
  readonly inode: Inode;
  readonly entry: TarEntry;
  readonly body: AsyncIterable<Buffer>;
}

/** The members of archives that these inodes are, in an order of the archives' own. */
export type ReadMembers = (inodes: ReadonlySet<Inode>) => AsyncIterable<Member>;

/** Files that lie in archives: an image's, or a build context's. Nothing is unpacked. Names hold one byte a character. */
export class FileTree {
  readonly root: DirectoryNode;
  readonly read: ReadMembers;

  constructor(root: DirectoryNode, read: ReadMembers) {
    this.root = root;
    this.read = read;
  }

  /** Where a path leads; links on the way are followed inside the root, the last one when `follow` says so. */
  find(path: string, { follow = true } = {}): Place {
    const rest = path.split('/').reverse();
    let stack: DirectoryNode[] = [this.root];
    let names: string[] = [];
    let missing = 0;
    let links = 0;
    while (rest.length > 0) {
      const name = rest.pop() as string;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (names.pop() === undefined) continue;
        if (missing > 0) missing--;
        else stack.pop();
        continue;
      }
      const node: DirectoryNode['children'] extends Map<string, infer T> ? T | undefined : never = missing > 0 ? undefined : stack.at(-1)?.children.get(name);
      const last = rest.every((one) => one === '' || one === '.');
      if (node?.kind === 'file' && node.inode.symlinkTarget !== undefined && (follow || !last) && links++ < MAX_LINKS) {
        if (node.inode.symlinkTarget.startsWith('/')) [stack, names] = [[this.root], []];
        rest.push(...node.inode.symlinkTarget.split('/').reverse());
        continue;
      }
      names = [...names, name];
      if (node?.kind === 'directory') stack.push(node);
      else if (node?.kind === 'file' && last) return { names, node };
      else missing++;
    }
    return { names, node: missing > 0 ? undefined : stack.at(-1) };
  }

  /** A small file as text; undefined when there is none. */
  async text(path: string): Promise<string | undefined> {
    const { node } = this.find(path);
    if (node?.kind !== 'file' || node.inode.contentBytes > LARGEST_TEXT_BYTES) return undefined;
    for await (const { body } of this.read(new Set([node.inode]))) {
      const pieces: Buffer[] = [];
      for await (const piece of body) pieces.push(Buffer.from(piece));
      return Buffer.concat(pieces).toString();
    }
    return undefined;
  }
}
