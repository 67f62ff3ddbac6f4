/** The files of a container, as a part of the Runtime port: shapes only. See docs/design/container-files.md. */
export interface ContainerFiles extends FileAccess, AsyncDisposable {}

/**
 * The root file system as dockerd shows it: without /proc, /sys, /dev and tmpfs mounts. Paths are absolute and cleaned; they
 * may end in `/` or `/.`, which makes a link as the last component be followed. No path, and no link, leads out of the
 * root. Faults: `file-not-found`, `file-failed`, `disk-full`.
 */
export interface FileAccess {
  stat(path: string): Promise<FileStat>;
  /** The file with all that lies below it; names are relative to it, its own is empty. */
  read(path: string, options?: ReadOptions): Promise<FileReading>;
  /**
   * Unpacks into a directory, as docker does: what is there is replaced, directories merge, missing parents are made. When
   * it fails, what came before stays. Faults also: `not-a-directory`, `cannot-overwrite`, `archive-invalid`,
   * `user-not-found`.
   */
  write(path: string, pieces: AsyncIterable<FilePiece>, options?: WriteOptions): Promise<void>;
  /** How the root differs from the layers it began with, in no particular order. */
  changes(): Promise<FileChange[]>;
  /** The changed files themselves, as a layer has them: a deletion is an empty file `.wh.<name>`. */
  layer(options?: { signal?: AbortSignal }): AsyncIterable<FilePiece>;
}

export interface ReadOptions {
  /** Without the files that Docker manages (an export). */
  readonly withoutManaged?: boolean;
  readonly signal?: AbortSignal;
}

export interface WriteOptions {
  /** Neither a directory may be replaced by something else nor the other way round. */
  readonly keepKinds?: boolean;
  /** `user[:group]`, as the container knows them: everything becomes theirs. Absent: what the entries say. */
  readonly owner?: string;
  readonly signal?: AbortSignal;
}

export interface FileReading {
  readonly stat: FileStat;
  /** To be read to its end, or returned from early. */
  readonly pieces: AsyncIterable<FilePiece>;
}

export type FileKind = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

export interface FileStat {
  readonly kind: FileKind | 'socket';
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  /** Where a symlink leads in the end, absolute, whether or not that exists; else empty. */
  readonly linkTarget: string;
}

/** One file. Strings hold one byte a character (latin1), since names need not be text. */
export interface FileEntry {
  readonly kind: FileKind;
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 for everything but `file`. */
  readonly sizeBytes: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Target of a symlink; of a hard link the path of an entry before it. */
  readonly linkPath: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** A stream of files: an entry, after a `file` its content as data and holes that come to just its size, the next entry. */
export type FilePiece =
  | { readonly type: 'entry'; readonly entry: FileEntry }
  | { readonly type: 'data'; readonly data: Buffer }
  | { readonly type: 'hole'; readonly sizeBytes: number };

export interface FileChange {
  readonly kind: 'modified' | 'added' | 'deleted';
  readonly path: string;
}
