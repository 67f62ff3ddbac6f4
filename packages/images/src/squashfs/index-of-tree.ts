import type { DirectoryNode, Inode, LayerNode } from '../layer/layer-tree.ts';
import { AttributeTable, keptAttributes } from './attributes.ts';
import { BLOCK_BYTES, BLOCK_LOG, type Content, deviceInode, directoryInode, fifoInode, fileInode, type InodeHead, symlinkInode, TYPES } from './inodes.ts';
import { type Listed, writeListing } from './listing.ts';
import { MetadataTable, type Place, reference } from './metadata-table.ts';

const SUPERBLOCK_BYTES = 96;
const MAGIC = 0x7371_7368;
/** Nothing is compressed; the kernel wants to know by what it would be. */
const GZIP = 1;
/** Tables, content, attributes and owners are stored as they are; no fragments; inodes can be found by number. */
const FLAGS = 0x0001 | 0x0002 | 0x0008 | 0x0010 | 0x0080 | 0x0100 | 0x0800;
const ABSENT = 0xffff_ffff_ffff_ffffn;

export interface Index {
  readonly superblock: Buffer;
  /** What comes behind all content, in order. */
  readonly tables: readonly Buffer[];
  /** Of file content, each inode once; what Docker calls the layer's size. */
  readonly contentBytes: number;
}

/** A directory nobody described: as Docker makes it. */
const IMPLIED = { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: new Map<string, string>() };
const OPAQUE = ['trusted.overlay.opaque', 'y'] as const;

/**
 * Everything of a squashfs (4.0) but the content of its files, which is there already: for a tree whose content `placed`
 * finds in the file, with the tables beginning at `start`. Whiteouts and opaque directories are written as overlayfs wants
 * them. Depends on nothing but the tree.
 */
export function indexOf(root: DirectoryNode, start: number, placed: (inode: Inode) => Content): Index {
  return new Indexer(placed).run(root, start);
}

interface Known extends Omit<Listed, 'name'> {}

class Indexer {
  readonly #placed: (inode: Inode) => Content;
  readonly #inodes = new MetadataTable();
  readonly #listings = new MetadataTable();
  readonly #attributes = new AttributeTable();
  readonly #owners = new Map<number, number>();
  readonly #references: bigint[] = [];
  readonly #names = new Map<Inode, number>();
  readonly #written = new Map<Inode, Known>();
  #contentBytes = 0;

  constructor(placed: (inode: Inode) => Content) {
    this.#placed = placed;
  }

  run(root: DirectoryNode, start: number): Index {
    this.#count(root);
    // The root is its own parent.
    const top = this.#directory(root, 1, root.opaque);
    const superblock = Buffer.alloc(SUPERBLOCK_BYTES);
    const tables: Buffer[] = [];
    let at = start;
    const put = (...pieces: readonly Buffer[]) => {
      const from = at;
      for (const piece of pieces) at += piece.length;
      tables.push(...pieces);
      return BigInt(from);
    };
    superblock.writeBigUInt64LE(put(this.#inodes.stored()), 64);
    superblock.writeBigUInt64LE(put(this.#listings.stored()), 72);
    superblock.writeBigUInt64LE(ABSENT, 80);
    const byNumber = wide(this.#references);
    superblock.writeBigUInt64LE(put(byNumber.positions(Number(put(byNumber.stored())))), 88);
    const owners = new MetadataTable();
    for (const owner of this.#owners.keys()) owners.append(u32(owner));
    superblock.writeBigUInt64LE(put(owners.positions(Number(put(owners.stored())))), 48);
    const attributes = this.#attributes.stored(at);
    put(...(attributes?.pieces ?? []));
    superblock.writeBigUInt64LE(attributes === undefined ? ABSENT : BigInt(attributes.at), 56);

    superblock.writeUInt32LE(MAGIC, 0);
    superblock.writeUInt32LE(this.#references.length, 4);
    superblock.writeUInt32LE(BLOCK_BYTES, 12);
    superblock.writeUInt16LE(GZIP, 20);
    superblock.writeUInt16LE(BLOCK_LOG, 22);
    superblock.writeUInt16LE(FLAGS, 24);
    superblock.writeUInt16LE(this.#owners.size, 26);
    superblock.writeUInt16LE(4, 28);
    superblock.writeBigUInt64LE(reference(top.place), 32);
    superblock.writeBigUInt64LE(BigInt(at), 40);
    return { superblock, tables, contentBytes: this.#contentBytes };
  }

  /** How many names each file has: an inode says so before its last name is known. */
  #count(directory: DirectoryNode): void {
    for (const [name, node] of directory.children) {
      if (isBookkeeping(name)) continue;
      if (node.kind === 'directory') this.#count(node);
      else if (node.kind === 'file') this.#names.set(node.inode, (this.#names.get(node.inode) ?? 0) + 1);
    }
  }

  #directory(node: DirectoryNode, parent: number, hidden: boolean): Known {
    const number = this.#number();
    const entries: Listed[] = [];
    let directories = 0;
    for (const name of [...node.children.keys()].sort()) {
      const child = node.children.get(name) as LayerNode;
      // Inside an opaque directory there is nothing to hide, and overlayfs would list the mark itself.
      if (isBookkeeping(name) || (child.kind === 'whiteout' && hidden)) continue;
      if (child.kind === 'directory') directories++;
      entries.push({ name, ...this.#child(child, number, hidden) });
    }
    const { mode, uid, gid, mtime, xattrs } = node.entry ?? IMPLIED;
    const kept = keptAttributes(xattrs);
    const head = this.#head({ mode, uid, gid, mtime, xattrs: node.opaque ? new Map([...kept, OPAQUE]) : kept }, number, directories + 2);
    const listing = writeListing(this.#listings, entries);
    return this.#put(number, TYPES.directory, directoryInode(head, { ...listing, parent }));
  }

  #child(node: LayerNode, parent: number, hidden: boolean): Known {
    if (node.kind === 'directory') return this.#directory(node, parent, hidden || node.opaque);
    if (node.kind === 'whiteout') {
      const number = this.#number();
      return this.#put(number, TYPES.character, deviceInode(this.#head({ ...IMPLIED, mode: 0 }, number, 1), 'character', 0, 0));
    }
    const known = this.#written.get(node.inode);
    if (known !== undefined) return known;
    const written = this.#file(node.inode);
    this.#written.set(node.inode, written);
    return written;
  }

  #file(inode: Inode): Known {
    const number = this.#number();
    this.#contentBytes += inode.contentBytes;
    // Whatever an archive says: Linux knows one mode for links.
    const mode = inode.kind === 'symlink' ? 0o777 : inode.mode;
    const head = this.#head({ ...inode, mode, xattrs: keptAttributes(inode.xattrs) }, number, this.#names.get(inode) ?? 1);
    switch (inode.kind) {
      case 'file':
        return this.#put(number, TYPES.file, fileInode(head, this.#placed(inode)));
      case 'symlink':
        return this.#put(number, TYPES.symlink, symlinkInode(head, inode.symlinkTarget ?? ''));
      case 'fifo':
        return this.#put(number, TYPES.fifo, fifoInode(head));
      default:
        return this.#put(number, TYPES[inode.kind], deviceInode(head, inode.kind, inode.deviceMajor, inode.deviceMinor));
    }
  }

  #head(of: Omit<InodeHead, 'number' | 'names' | 'attributes'> & { xattrs: ReadonlyMap<string, string> }, number: number, names: number): InodeHead {
    const attributes = this.#attributes.add(of.xattrs);
    return { mode: of.mode, uid: this.#owner(of.uid), gid: this.#owner(of.gid), mtime: squashTime(of.mtime), number, names, attributes };
  }

  #put(number: number, type: number, inode: Buffer): Known {
    const place: Place = this.#inodes.append(inode);
    this.#references[number - 1] = reference(place);
    return { place, number, type };
  }

  /** Inodes count from 1. */
  #number(): number {
    return this.#references.push(0n);
  }

  #owner(id: number): number {
    const known = this.#owners.get(id);
    if (known !== undefined) return known;
    this.#owners.set(id, this.#owners.size);
    return this.#owners.size - 1;
  }
}

/** `.wh..wh.plnk` and such: aufs's own. */
const isBookkeeping = (name: string): boolean => name.startsWith('.wh..wh.');

/** Squashfs holds times as unsigned seconds in 32 bits. */
const squashTime = (mtime: number): number => Math.min(Math.max(mtime, 0), 0xffff_ffff);

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function wide(values: readonly bigint[]): MetadataTable {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(value, index * 8);
  const table = new MetadataTable();
  table.append(bytes);
  return table;
}
