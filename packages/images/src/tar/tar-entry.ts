export type TarKind = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/**
 * One member of a tar archive, with extended headers already applied. Strings hold one byte per character (latin1), so
 * that names that aren't UTF-8 come out as they went in.
 */
export interface TarEntry {
  readonly kind: TarKind;
  /** As written in the archive: neither cleaned nor checked. */
  readonly path: string;
  /** Permission bits with setuid, setgid and sticky; no file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content the file has once unpacked; 0 for everything but `file`. */
  readonly sizeBytes: number;
  /** Seconds since the epoch; fractions are cut off. */
  readonly mtime: number;
  /** Target of a symlink or hard link, else empty. */
  readonly linkPath: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Extended attributes by full name (`security.capability`). */
  readonly xattrs: ReadonlyMap<string, string>;
}

export const BLOCK_BYTES = 512;
