import type { LayerStore } from '../layer/layer-store.ts';
import { type DirectoryNode, type Inode, type LayerNode, LayerTree } from '../layer/layer-tree.ts';
import { layOver } from '../layer/merge.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { FileTree, type Member } from './file-tree.ts';

/** Chains of layers whose trees are remembered; each step of a build needs its parent's. */
const REMEMBERED = 12;

/** The trees of images, from the archives of their layers. */
export class ImageTrees {
  readonly #layers: LayerStore;
  /** Least recently used first. */
  readonly #known = new Map<string, Promise<DirectoryNode>>();

  constructor(layers: LayerStore) {
    this.#layers = layers;
  }

  async of(diffIds: readonly string[]): Promise<FileTree> {
    const root = await this.#root(diffIds);
    return new FileTree(root, (inodes) => this.#members(diffIds, inodes));
  }

  #root(diffIds: readonly string[]): Promise<DirectoryNode> {
    const key = diffIds.join();
    const known = this.#known.get(key) ?? this.#make(diffIds);
    this.#known.delete(key);
    this.#known.set(key, known);
    known.catch(() => this.#known.delete(key));
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return known;
  }

  /** A layer more than a tree that is known; what is known stays as it is. */
  async #make(diffIds: readonly string[]): Promise<DirectoryNode> {
    const top = diffIds.at(-1);
    if (top === undefined) return new LayerTree().root;
    const below = copy(await this.#root(diffIds.slice(0, -1)));
    const tree = new LayerTree(diffIds.length - 1);
    const reader = new TarReader(this.#layers.tar(top));
    try {
      for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) tree.add(entry, reader.stored);
    } finally {
      await reader.close();
    }
    layOver(below, tree.root);
    return below;
  }

  async *#members(diffIds: readonly string[], inodes: ReadonlySet<Inode>): AsyncGenerator<Member> {
    for (const [layer, diffId] of diffIds.entries()) {
      const wanted = new Map([...inodes].filter((inode) => inode.layer === layer).map((inode) => [inode.index, inode]));
      if (wanted.size === 0) continue;
      const reader = new TarReader(this.#layers.tar(diffId));
      try {
        let left = wanted.size;
        for (let index = 0; left > 0; index++) {
          const entry = await reader.next();
          if (entry === undefined) break;
          const inode = wanted.get(index);
          if (inode === undefined) continue;
          left--;
          yield { inode, entry, body: reader.body() };
        }
      } finally {
        await reader.close();
      }
    }
  }
}

function copy(node: DirectoryNode): DirectoryNode {
  const children = new Map<string, LayerNode>();
  for (const [name, child] of node.children) children.set(name, child.kind === 'directory' ? copy(child) : child);
  return { kind: 'directory', children, entry: node.entry, opaque: node.opaque };
}
