import { type FileHandle, open } from 'node:fs/promises';

const METADATA_BYTES = 8192;

/**
 * Sets owner and time of a squashfs's root directory: sqfstar 4.5 takes `-root-uid`, `-root-gid` and `-root-time` and
 * forgets them (owner 0, time now). Needs uncompressed inode and id tables. An owner that owns nothing else in the file
 * system has no number in it, and the root stays with 0.
 *
 * Layout (squashfs 4.0): superblock with the count of ids at 26, the root inode's place at 32 (block offset shifted by 16,
 * then offset within), the id table at 48 and the inode table at 64; metadata in blocks of 8 KiB, each behind 2 bytes of
 * length; in an inode, uid and gid as positions in the id table at 4 and 6 and the time at 8.
 */
export async function describeRoot(path: string, root: { uid: number; gid: number; mtime: number }): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const superblock = await readAt(file, 0, 96);
    const place = superblock.readBigUInt64LE(32);
    const block = Number(superblock.readBigUInt64LE(64)) + Number(place >> 16n);
    const ids = await readIds(file, superblock);
    const position = (id: number) => (ids.includes(id) ? ids.indexOf(id) : ids.indexOf(0));
    const fields = Buffer.alloc(8);
    fields.writeUInt16LE(position(root.uid), 0);
    fields.writeUInt16LE(position(root.gid), 2);
    fields.writeUInt32LE(root.mtime, 4);
    for (let at = 0; at < fields.length; at++) {
      // An inode may go over the end of a metadata block.
      const offset = Number(place & 0xffffn) + 4 + at;
      await file.write(fields, at, 1, block + 2 * (1 + Math.floor(offset / METADATA_BYTES)) + offset);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readIds(file: FileHandle, superblock: Buffer): Promise<number[]> {
  const count = superblock.readUInt16LE(26);
  const blocks = Math.ceil((count * 4) / METADATA_BYTES);
  const index = await readAt(file, Number(superblock.readBigUInt64LE(48)), blocks * 8);
  const ids: number[] = [];
  for (let block = 0; block < blocks; block++) {
    const bytes = Math.min(METADATA_BYTES, (count - ids.length) * 4);
    const data = await readAt(file, Number(index.readBigUInt64LE(block * 8)) + 2, bytes);
    for (let at = 0; at < bytes; at += 4) ids.push(data.readUInt32LE(at));
  }
  return ids;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const data = Buffer.alloc(length);
  await file.read(data, 0, length, position);
  return data;
}
