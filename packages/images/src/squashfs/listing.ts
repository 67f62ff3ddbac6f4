import type { MetadataTable, Place } from './metadata-table.ts';
import type { Listing } from './inodes.ts';

export interface Listed {
  readonly name: string;
  /** Of the inode, in the table of inodes. */
  readonly place: Place;
  readonly number: number;
  readonly type: number;
}

const RUN_MAX = 256;
const INDEX_MAX = 0xffff;

/**
 * Writes the listing of one directory: entries in runs, each run behind a header that says in which block its inodes are.
 * Entries are sorted by their names' bytes.
 */
export function writeListing(table: MetadataTable, entries: readonly Listed[]): Omit<Listing, 'parent'> {
  const { place } = table;
  const begin = table.length;
  const index: { at: number; block: number; name: string }[] = [];
  let indexed = place.block;
  for (let from = 0; from < entries.length; ) {
    const first = entries[from] as Listed;
    let to = from + 1;
    for (; to < entries.length && to - from < RUN_MAX; to++) {
      const entry = entries[to] as Listed;
      if (entry.place.block !== first.place.block || Math.abs(entry.number - first.number) > 0x7fff) break;
    }
    const { block } = table.place;
    if (block !== indexed && index.length < INDEX_MAX) {
      index.push({ at: table.length - begin, block, name: first.name });
      indexed = block;
    }
    table.append(run(entries.slice(from, to), first));
    from = to;
  }
  return { place, bytes: table.length - begin, index };
}

function run(entries: readonly Listed[], first: Listed): Buffer {
  const piece = Buffer.allocUnsafe(12 + entries.reduce((sum, { name }) => sum + 8 + name.length, 0));
  piece.writeUInt32LE(entries.length - 1, 0);
  piece.writeUInt32LE(first.place.block, 4);
  piece.writeUInt32LE(first.number, 8);
  let at = 12;
  for (const { name, place, number, type } of entries) {
    at = piece.writeUInt16LE(place.offset, at);
    at = piece.writeInt16LE(number - first.number, at);
    at = piece.writeUInt16LE(type, at);
    at = piece.writeUInt16LE(name.length - 1, at);
    at += piece.write(name, at, 'latin1');
  }
  return piece;
}
