import type { TarEntry, TarKind } from '../tar/tar-entry.ts';
import { END_OF_ARCHIVE, padding, tarHeader } from '../tar/tar-writer.ts';

/** Composes a small root file system as a tar in memory. Times are 0, the owner is root: the same calls give the same bytes. */
export class RootfsTar {
  readonly #pieces: Buffer[] = [];

  directory(path: string, mode = 0o755): this {
    return this.#add('directory', `${path}/`, mode);
  }

  file(path: string, content: Buffer | string, mode = 0o644): this {
    return this.#add('file', path, mode, Buffer.from(content));
  }

  hardlink(path: string, target: string): this {
    return this.#add('hardlink', path, 0o755, undefined, target);
  }

  symlink(path: string, target: string): this {
    return this.#add('symlink', path, 0o777, undefined, target);
  }

  end(): Buffer {
    return Buffer.concat([...this.#pieces, END_OF_ARCHIVE]);
  }

  #add(kind: TarKind, path: string, mode: number, content: Buffer = Buffer.alloc(0), linkPath = ''): this {
    const entry: TarEntry = {
      kind,
      path,
      mode,
      uid: 0,
      gid: 0,
      sizeBytes: content.length,
      mtime: 0,
      linkPath,
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: new Map(),
    };
    this.#pieces.push(tarHeader(entry), content, padding(content.length));
    return this;
  }
}
