import type { FileChange, FileEntry, FileKind, FilePiece, FileStat } from '@berth/runtime';
import { BodyReader, BodyWriter } from './body.ts';

/** By the agent's numbers. */
const KINDS: readonly (FileKind | 'socket')[] = ['file', 'hardlink', 'symlink', 'character', 'block', 'directory', 'fifo', 'socket'];
const CHANGES: readonly FileChange['kind'][] = ['modified', 'added', 'deleted'];
const TAG = { stat: 0x53, entry: 0x45, data: 0x44, hole: 0x48, change: 0x43, end: 0x5a } as const;
/** A record other than data has a body; none of ours comes near this. */
const BODY_MAX = 2 << 20;

/** What a worker says. */
export type FileRecord =
  | FilePiece
  | { readonly type: 'stat'; readonly stat: FileStat }
  | { readonly type: 'change'; readonly change: FileChange }
  | { readonly type: 'end' };

export function encodePiece(piece: FilePiece): Buffer[] {
  switch (piece.type) {
    case 'entry': {
      const body = encodeEntry(piece.entry);
      return [head(TAG.entry, body.length), body];
    }
    case 'data':
      return piece.data.length === 0 ? [] : [head(TAG.data, piece.data.length), piece.data];
    case 'hole':
      return piece.sizeBytes === 0 ? [] : [new BodyWriter().u8(TAG.hole).u64(piece.sizeBytes).done()];
  }
}

export const dataHead = (sizeBytes: number): Buffer => head(TAG.data, sizeBytes);
export const encodedEnd = (): Buffer => head(TAG.end, 0);

function head(tag: number, length: number): Buffer {
  return new BodyWriter().u8(tag).u32(length).done();
}

function encodeEntry(entry: FileEntry): Buffer {
  const body = new BodyWriter().u8(KINDS.indexOf(entry.kind)).u32(entry.mode).u32(entry.uid).u32(entry.gid);
  body.u64(entry.sizeBytes).u64(entry.mtime).u32(0).u32(entry.deviceMajor).u32(entry.deviceMinor);
  body.latin1(entry.path).latin1(entry.linkPath);
  body.list([...entry.xattrs], ([name, value]) => {
    body.latin1(name).bytes(Buffer.from(value, 'latin1'));
  });
  return body.done();
}

function readNode(body: Buffer): { kind: FileKind | 'socket'; entry: Omit<FileEntry, 'kind'>; sizeBytes: number; mtimeNs: bigint } {
  const reader = new BodyReader(body);
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw new RangeError('a file of no kind');
  const [mode, uid, gid, sizeBytes] = [reader.u32(), reader.u32(), reader.u32(), reader.number()];
  const seconds = BigInt.asIntN(64, reader.u64());
  const mtimeNs = seconds * 1_000_000_000n + BigInt(reader.u32());
  const [deviceMajor, deviceMinor, path, linkPath] = [reader.u32(), reader.u32(), reader.latin1(), reader.latin1()];
  const xattrs = new Map(reader.list(() => [reader.latin1(), reader.bytes().toString('latin1')] as const));
  return {
    kind,
    sizeBytes,
    mtimeNs,
    entry: { path, mode, uid, gid, sizeBytes: kind === 'file' ? sizeBytes : 0, mtime: Number(seconds), linkPath, deviceMajor, deviceMinor, xattrs },
  };
}

/** Takes the worker's stream apart, however it comes in pieces. Data are views on what was pushed. Throws RangeError. */
export class FileRecordParser {
  #kept: Buffer = Buffer.alloc(0);
  /** Bytes of the current piece of data still to come. */
  #data = 0;

  *push(chunk: Buffer): Generator<FileRecord> {
    const all = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    let at = 0;
    while (at < all.length) {
      if (this.#data > 0) {
        const data = all.subarray(at, at + this.#data);
        this.#data -= data.length;
        at += data.length;
        yield { type: 'data', data };
        continue;
      }
      const tag = all[at] ?? 0;
      const bytes = tag === TAG.hole ? 9 : 5;
      if (all.length - at < bytes) break;
      if (tag === TAG.hole) {
        yield { type: 'hole', sizeBytes: Number(all.readBigUInt64LE(at + 1)) };
        at += bytes;
        continue;
      }
      const length = all.readUInt32LE(at + 1);
      if (tag === TAG.data) {
        this.#data = length;
        at += bytes;
        continue;
      }
      if (length > BODY_MAX) throw new RangeError('a record without end');
      if (all.length - at < bytes + length) break;
      at += bytes + length;
      const record = readRecord(tag, all.subarray(at - length, at));
      if (record !== undefined) yield record;
    }
    this.#kept = at === all.length ? Buffer.alloc(0) : Buffer.from(all.subarray(at));
  }
}

function readRecord(tag: number, body: Buffer): FileRecord | undefined {
  switch (tag) {
    case TAG.entry: {
      const { kind, entry } = readNode(body);
      // Tar has no word for a socket, and neither has docker.
      return kind === 'socket' ? undefined : { type: 'entry', entry: { kind, ...entry } };
    }
    case TAG.stat: {
      const { kind, entry, sizeBytes, mtimeNs } = readNode(body);
      const linkTarget = Buffer.from(entry.linkPath, 'latin1').toString();
      return { type: 'stat', stat: { kind, mode: entry.mode, sizeBytes, mtimeNs, linkTarget } };
    }
    case TAG.change: {
      const reader = new BodyReader(body);
      const kind = CHANGES[reader.u8()];
      if (kind === undefined) throw new RangeError('a change of no kind');
      return { type: 'change', change: { kind, path: `/${reader.string()}` } };
    }
    case TAG.end:
      return { type: 'end' };
    default:
      throw new RangeError(`no record begins with ${tag}`);
  }
}
