import { END_OF_ARCHIVE, type FileTree, padding, type TarEntry, tarHeader } from '@berth/images';
import { copyFailed } from './faults.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export const ROOT: Owner = { uid: 0, gid: 0 };

const BLANK: TarEntry = {
  kind: 'directory',
  path: '',
  mode: 0o755,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtime: 0,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map(),
};

/** Small pieces are joined: who reads them pays for each. */
const BATCH_BYTES = 64 * 1024;

/**
 * The headers of a layer that lies over an image: directories that are there keep what they are, those that are not are made. A
 * layer must describe each directory that something of it lies in, or it would change it.
 */
export class LayerWriter {
  readonly #tree: FileTree;
  readonly #nowSeconds: number;
  readonly #directories = new Set<string>();

  constructor(tree: FileTree, nowMs: number) {
    this.#tree = tree;
    this.#nowSeconds = Math.floor(nowMs / 1000);
  }

  /**
   * A directory and all it lies in, where links lead. What is missing is made, for `owner`. Gives its headers and real path.
   * Fault `build-failed` when something else is there.
   */
  directory(path: string, owner: Owner): { readonly headers: Buffer[]; readonly path: string } {
    const place = this.#tree.find(path);
    const headers: Buffer[] = [];
    for (let length = 1; length <= place.names.length; length++) {
      const real = place.names.slice(0, length).join('/');
      if (this.#directories.has(real)) continue;
      const { node } = this.#tree.find(real, { follow: false });
      if (node !== undefined && node.kind !== 'directory') throw copyFailed('COPY', `/${real}: not a directory`);
      const known = node?.kind === 'directory' ? (node.entry ?? BLANK) : { ...BLANK, ...owner, mtime: this.#nowSeconds };
      headers.push(this.member({ ...known, path: real }));
    }
    return { headers, path: place.names.join('/') };
  }

  /** Any member, at its real path. */
  member(entry: TarEntry): Buffer {
    if (entry.kind === 'directory') this.#directories.add(entry.path);
    return tarHeader(entry.kind === 'directory' ? { ...entry, path: `${entry.path}/` } : entry);
  }

  describes(directory: string): boolean {
    return this.#directories.has(directory);
  }

  /** A file that is made here. */
  *text(path: string, content: Buffer, mode: number, owner: Owner): Generator<Buffer> {
    yield this.member({ ...BLANK, ...owner, kind: 'file', path, mode, sizeBytes: content.length, mtime: this.#nowSeconds });
    yield content;
    yield padding(content.length);
  }
}

/** A whole layer of its members' pieces. */
export async function* layerOf(members: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const piece of members) {
    // Pieces may be views of a buffer that is used again.
    held.push(piece.length < BATCH_BYTES ? Buffer.from(piece) : piece);
    bytes += piece.length;
    if (bytes < BATCH_BYTES) continue;
    yield held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held, bytes);
    held = [];
    bytes = 0;
  }
  yield Buffer.concat([...held, END_OF_ARCHIVE]);
}
