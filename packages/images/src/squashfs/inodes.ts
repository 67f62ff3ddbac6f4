import { NO_ATTRIBUTES } from './attributes.ts';
import type { Place } from './metadata-table.ts';

export const BLOCK_LOG = 17;
export const BLOCK_BYTES = 1 << BLOCK_LOG;
/** In the length of a block of content: it is stored as it is. A length of 0 is a block of zeros that is not stored. */
const UNCOMPRESSED = 1 << 24;
const NO_FRAGMENT = 0xffff_ffff;

/** Numbers of the inode types; the extended forms are 7 more. */
export const TYPES = { directory: 1, file: 2, symlink: 3, block: 4, character: 5, fifo: 6 } as const;
const EXTENDED = 7;

/** What every inode has. */
export interface InodeHead {
  readonly mode: number;
  /** Positions in the table of owners. */
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly number: number;
  readonly names: number;
  readonly attributes: number;
}

/** Where content lies: in one piece of so many bytes, or in blocks of which those of zeros are left out. */
export interface Content {
  readonly at: number;
  readonly sizeBytes: number;
  /** Bytes of each block that is stored, 0 for one that is not; absent: all are stored. */
  readonly blocks?: readonly number[];
}

export interface Listing {
  readonly place: Place;
  readonly bytes: number;
  readonly parent: number;
  /** Where in the listing one can begin to look for a name. */
  readonly index: readonly { readonly at: number; readonly block: number; readonly name: string }[];
}

function head(type: number, { mode, uid, gid, mtime, number }: InodeHead, bytes: number): Buffer {
  const inode = Buffer.alloc(16 + bytes);
  inode.writeUInt16LE(type, 0);
  inode.writeUInt16LE(mode, 2);
  inode.writeUInt16LE(uid, 4);
  inode.writeUInt16LE(gid, 6);
  inode.writeUInt32LE(mtime, 8);
  inode.writeUInt32LE(number, 12);
  return inode;
}

/** Always in the extended form: the short one has no room for links, attributes and large offsets. */
export function fileInode(of: InodeHead, { at, sizeBytes, blocks }: Content): Buffer {
  const count = Math.ceil(sizeBytes / BLOCK_BYTES);
  const inode = head(TYPES.file + EXTENDED, of, 40 + count * 4);
  let missing = 0;
  for (let block = 0; block < count; block++) {
    const whole = Math.min(BLOCK_BYTES, sizeBytes - block * BLOCK_BYTES);
    const stored = blocks === undefined ? whole : (blocks[block] ?? 0);
    missing += whole - stored;
    inode.writeUInt32LE(stored === 0 ? 0 : stored | UNCOMPRESSED, 56 + block * 4);
  }
  inode.writeBigUInt64LE(BigInt(count === 0 ? 0 : at), 16);
  inode.writeBigUInt64LE(BigInt(sizeBytes), 24);
  inode.writeBigUInt64LE(BigInt(missing), 32);
  inode.writeUInt32LE(of.names, 40);
  inode.writeUInt32LE(NO_FRAGMENT, 44);
  inode.writeUInt32LE(of.attributes, 52);
  return inode;
}

export function symlinkInode(of: InodeHead, target: string): Buffer {
  const plain = of.attributes === NO_ATTRIBUTES;
  const inode = head(TYPES.symlink + (plain ? 0 : EXTENDED), of, 8 + target.length + (plain ? 0 : 4));
  inode.writeUInt32LE(of.names, 16);
  inode.writeUInt32LE(target.length, 20);
  inode.write(target, 24, 'latin1');
  if (!plain) inode.writeUInt32LE(of.attributes, 24 + target.length);
  return inode;
}

export function deviceInode(of: InodeHead, kind: 'character' | 'block', major: number, minor: number): Buffer {
  const plain = of.attributes === NO_ATTRIBUTES;
  const inode = head(TYPES[kind] + (plain ? 0 : EXTENDED), of, plain ? 8 : 12);
  inode.writeUInt32LE(of.names, 16);
  // As Linux packs a device's number: the low byte of the minor, the major, the rest of the minor.
  inode.writeUInt32LE(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, 20);
  if (!plain) inode.writeUInt32LE(of.attributes, 24);
  return inode;
}

export function fifoInode(of: InodeHead): Buffer {
  const plain = of.attributes === NO_ATTRIBUTES;
  const inode = head(TYPES.fifo + (plain ? 0 : EXTENDED), of, plain ? 4 : 8);
  inode.writeUInt32LE(of.names, 16);
  if (!plain) inode.writeUInt32LE(of.attributes, 20);
  return inode;
}

/** Always in the extended form, which can be as large as one likes. `names` counts the directories in it, and two. */
export function directoryInode(of: InodeHead, { place, bytes, parent, index }: Listing): Buffer {
  const inode = head(TYPES.directory + EXTENDED, of, 24 + index.reduce((sum, { name }) => sum + 12 + name.length, 0));
  inode.writeUInt32LE(of.names, 16);
  // A listing counts `.` and `..` as three bytes.
  inode.writeUInt32LE(bytes + 3, 20);
  inode.writeUInt32LE(place.block, 24);
  inode.writeUInt32LE(parent, 28);
  inode.writeUInt16LE(index.length, 32);
  inode.writeUInt16LE(place.offset, 34);
  inode.writeUInt32LE(of.attributes, 36);
  let at = 40;
  for (const entry of index) {
    at = inode.writeUInt32LE(entry.at, at);
    at = inode.writeUInt32LE(entry.block, at);
    at = inode.writeUInt32LE(entry.name.length - 1, at);
    at += inode.write(entry.name, at, 'latin1');
  }
  return inode;
}
