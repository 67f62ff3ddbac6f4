import { MetadataTable, reference } from './metadata-table.ts';

/** What squashfs writes for an inode without attributes. */
export const NO_ATTRIBUTES = 0xffff_ffff;

const PREFIXES = ['user.', 'trusted.', 'security.'];

/**
 * The attributes squashfs can hold. Those of overlayfs itself are dropped: in an archive they could only be there to
 * point the union at something else.
 */
export function keptAttributes(xattrs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (xattrs.size === 0) return xattrs;
  return new Map(
    [...xattrs].filter(([name]) => PREFIXES.some((prefix) => name.length > prefix.length && name.startsWith(prefix)) && !name.startsWith('trusted.overlay.')),
  );
}

/** Sets of extended attributes, each set once. Names and values hold one byte per character. */
export class AttributeTable {
  readonly #known = new Map<string, number>();
  readonly #content = new MetadataTable();
  readonly #sets = new MetadataTable();

  /** The number of a set; the same set has the same number. */
  add(xattrs: ReadonlyMap<string, string>): number {
    if (xattrs.size === 0) return NO_ATTRIBUTES;
    const pairs = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify(pairs);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { place } = this.#content;
    let sizeBytes = 0;
    for (const [name, value] of pairs) {
      const type = PREFIXES.findIndex((prefix) => name.startsWith(prefix));
      const rest = Buffer.from(name.slice(PREFIXES[type]?.length), 'latin1');
      const piece = Buffer.allocUnsafe(8 + rest.length + value.length);
      piece.writeUInt16LE(type, 0);
      piece.writeUInt16LE(rest.length, 2);
      rest.copy(piece, 4);
      piece.writeUInt32LE(value.length, 4 + rest.length);
      piece.write(value, 8 + rest.length, 'latin1');
      this.#content.append(piece);
      sizeBytes += piece.length;
    }
    const set = Buffer.allocUnsafe(16);
    set.writeBigUInt64LE(reference(place), 0);
    set.writeUInt32LE(pairs.length, 8);
    set.writeUInt32LE(sizeBytes, 12);
    this.#sets.append(set);
    const number = this.#known.size;
    this.#known.set(key, number);
    return number;
  }

  /** The table as it stands at `start`, and where in the file its beginning is found; nothing when no inode has attributes. */
  stored(start: number): { readonly pieces: readonly Buffer[]; readonly at: number } | undefined {
    if (this.#known.size === 0) return undefined;
    const content = this.#content.stored();
    const sets = this.#sets.stored();
    const header = Buffer.alloc(16);
    header.writeBigUInt64LE(BigInt(start), 0);
    header.writeUInt32LE(this.#known.size, 8);
    const setsAt = start + content.length;
    return { pieces: [content, sets, header, this.#sets.positions(setsAt)], at: setsAt + sets.length };
  }
}
