import { createReadStream } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readlink, rm, symlink, utimes } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Fault } from '@berth/kit';
import type { ContainerFiles, FileChange, FileEntry, FilePiece, FileReading, FileStat, ReadOptions, WriteOptions } from '../files.ts';

const kinds = [
  ['directory', 0o040000],
  ['symlink', 0o120000],
  ['character', 0o020000],
  ['block', 0o060000],
  ['fifo', 0o010000],
  ['socket', 0o140000],
] as const;

const absent = (path: string) => new Fault('not-found', 'file-not-found', `lstat ${path}: no such file or directory`);

/** A folder as the files of a container: plain files, directories and links, which are kept but never followed. */
export class FakeFiles implements ContainerFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async stat(path: string): Promise<FileStat> {
    const info = await lstat(this.#at(path), { bigint: true }).catch(() => {
      throw absent(path);
    });
    const type = Number(info.mode) & 0o170000;
    const kind = kinds.find(([, bits]) => bits === type)?.[0] ?? 'file';
    const linkTarget = kind === 'symlink' ? posix.resolve('/', posix.dirname(path), await readlink(this.#at(path))) : '';
    return { kind, mode: Number(info.mode) & 0o7777, sizeBytes: Number(info.size), mtimeNs: info.mtimeNs, linkTarget };
  }

  async read(path: string, options: ReadOptions = {}): Promise<FileReading> {
    return { stat: await this.stat(path), pieces: this.#walk(posix.normalize(path), '', options.signal) };
  }

  async write(path: string, pieces: AsyncIterable<FilePiece>, options: WriteOptions = {}): Promise<void> {
    if ((await this.stat(path)).kind !== 'directory') throw new Fault('invalid', 'not-a-directory', 'extraction point is not a directory');
    let file: Awaited<ReturnType<typeof open>> | undefined;
    let at = 0;
    let last: FileEntry | undefined;
    const finish = async () => {
      if (file !== undefined && last !== undefined) {
        await file.truncate(last.sizeBytes);
        await file.utimes(last.mtime, last.mtime);
        await file.close();
      }
      file = undefined;
    };
    try {
      for await (const piece of pieces) {
        options.signal?.throwIfAborted();
        if (piece.type === 'hole') at += piece.sizeBytes;
        else if (piece.type === 'data') {
          await file?.write(piece.data, 0, piece.data.length, at);
          at += piece.data.length;
        } else {
          await finish();
          last = piece.entry;
          at = 0;
          file = await this.#make(posix.join('/', path, piece.entry.path), piece.entry, options.keepKinds === true);
        }
      }
      await finish();
    } finally {
      await file?.close();
    }
  }

  async changes(): Promise<FileChange[]> {
    const changes: FileChange[] = [];
    for await (const piece of this.layer()) if (piece.type === 'entry') changes.push({ kind: 'added', path: `/${piece.entry.path}` });
    return changes;
  }

  async *layer(options: { signal?: AbortSignal } = {}): AsyncGenerator<FilePiece> {
    for await (const piece of this.#walk('/', '', options.signal)) if (piece.type !== 'entry' || piece.entry.path !== '') yield piece;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Only for names: what the folder holds was put there by tests. */
  #at(path: string): string {
    return join(this.#root, posix.normalize(`/${path}`));
  }

  async *#walk(path: string, name: string, signal: AbortSignal | undefined): AsyncGenerator<FilePiece> {
    signal?.throwIfAborted();
    const { kind, mode, sizeBytes, mtimeNs } = await this.stat(path);
    if (kind === 'socket') return;
    const linkPath = kind === 'symlink' ? await readlink(this.#at(path)) : '';
    const none = { uid: 0, gid: 0, deviceMajor: 0, deviceMinor: 0, xattrs: new Map<string, string>() };
    const entry = { kind, path: name, mode, sizeBytes: kind === 'file' ? sizeBytes : 0, mtime: Number(mtimeNs / 1_000_000_000n), linkPath, ...none };
    yield { type: 'entry', entry };
    if (kind === 'file') for await (const data of createReadStream(this.#at(path))) yield { type: 'data', data: data as Buffer };
    if (kind !== 'directory') return;
    for (const child of (await readdir(this.#at(path))).sort()) yield* this.#walk(posix.join(path, child), posix.join(name, child), signal);
  }

  async #make(path: string, entry: FileEntry, keepKinds: boolean) {
    const target = this.#at(path);
    const there = await lstat(target).catch(() => undefined);
    const becomes = entry.kind === 'directory';
    if (there !== undefined && keepKinds && there.isDirectory() !== becomes) {
      const [old, fresh] = becomes ? ['non-directory', 'directory'] : ['directory', 'non-directory'];
      throw new Fault('invalid', 'cannot-overwrite', `cannot overwrite ${old} "${path}" with ${fresh} "${posix.dirname(path)}"`);
    }
    await mkdir(join(target, '..'), { recursive: true });
    if (there !== undefined && !(there.isDirectory() && becomes)) await rm(target, { recursive: true });
    switch (entry.kind) {
      case 'directory':
        await mkdir(target, { recursive: true });
        await chmod(target, entry.mode);
        await utimes(target, entry.mtime, entry.mtime);
        return undefined;
      case 'symlink':
        await symlink(entry.linkPath, target);
        return undefined;
      case 'file': {
        const file = await open(target, 'w');
        await file.chmod(entry.mode);
        return file;
      }
      default:
        throw new Fault('unsupported', 'fake-files', `the stand-in makes no ${entry.kind}`);
    }
  }
}
