/** Files as a tar, and a tar as files. Strings of both hold one byte a character. */
import { posix } from 'node:path';
import { END_OF_ARCHIVE, padding, plainTar, TarReader, tarHeader } from '@berth/images';
import type { FileEntry, FilePiece } from '@berth/runtime';
import { outsideOf } from './faults.ts';

const ZEROS = Buffer.alloc(64 << 10);
/** Small members are joined to pieces of about this size. */
const BATCH_BYTES = 64 << 10;

/** `base` is the name of the file that was asked for, before all others' names; empty: they are as they are. */
export async function* toTar(pieces: AsyncIterable<FilePiece>, base: string): AsyncGenerator<Buffer> {
  let batch: Buffer[] = [];
  let bytes = 0;
  let left = 0;
  let filler = padding(0);
  for await (const part of parts()) {
    batch.push(part);
    bytes += part.length;
    if (bytes < BATCH_BYTES) continue;
    yield Buffer.concat(batch);
    batch = [];
    bytes = 0;
  }
  yield Buffer.concat([...batch, END_OF_ARCHIVE]);

  async function* parts(): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      if (piece.type === 'entry') {
        const { entry } = piece;
        left = entry.sizeBytes;
        filler = padding(left);
        yield tarHeader({ ...entry, path: nameIn(base, entry), linkPath: entry.kind === 'hardlink' ? joined(base, entry.linkPath) : entry.linkPath });
      } else {
        const size = piece.type === 'data' ? piece.data.length : piece.sizeBytes;
        left -= size;
        if (piece.type === 'data') yield piece.data;
        else for (let at = 0; at < size; at += ZEROS.length) yield ZEROS.subarray(0, Math.min(ZEROS.length, size - at));
        if (left === 0) yield filler;
      }
    }
  }
}

function joined(base: string, path: string): string {
  if (path === '') return base;
  return base === '' || base.endsWith('/') ? base + path : `${base}/${path}`;
}

function nameIn(base: string, entry: FileEntry): string {
  const name = joined(base, entry.path);
  return entry.kind === 'directory' && !name.endsWith('/') ? `${name}/` : name;
}

/** Faults `tar-invalid`; `archive-invalid` for a name that leads out of `target`. Long runs of zeros become holes. */
export async function* fromTar(archive: AsyncIterable<Buffer>, target: string): AsyncGenerator<FilePiece> {
  const reader = new TarReader(plainTar(archive));
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      const path = inside(entry.path, target);
      const linkPath = entry.kind === 'hardlink' ? inside(entry.linkPath, target) : entry.linkPath;
      yield { type: 'entry', entry: { ...entry, path, linkPath } };
      if (entry.kind === 'file') for await (const data of reader.body()) yield* withoutZeros(data);
    }
  } finally {
    await reader.close();
  }
}

function inside(name: string, target: string): string {
  const clean = posix.normalize(name.replace(/^\/+/, '')).replace(/\/+$/, '');
  if (clean === '..' || clean.startsWith('../')) throw outsideOf(name, target);
  return clean === '.' ? '' : clean;
}

function* withoutZeros(data: Buffer): Generator<FilePiece> {
  const zero = data.length >= 4096 && data[0] === 0 && isZero(data);
  yield zero ? { type: 'hole', sizeBytes: data.length } : { type: 'data', data };
}

function isZero(data: Buffer): boolean {
  for (let at = 0; at < data.length; at += ZEROS.length) {
    const part = data.subarray(at, at + ZEROS.length);
    if (part.compare(ZEROS, 0, part.length) !== 0) return false;
  }
  return true;
}
