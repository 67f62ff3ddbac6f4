import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { withDiskFull } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { Content } from '../squashfs/inodes.ts';
import { indexOf } from '../squashfs/index-of-tree.ts';
import { writeAll } from '../store/files.ts';
import { expandSparse } from './expand-sparse.ts';
import { learnTree } from './learn-tree.ts';
import type { DirectoryNode, Inode, LayerTree } from './layer-tree.ts';

/**
 * A layer's file: a squashfs whose content is the layer's plain tar, byte for byte, beginning here. Before it is the
 * superblock, behind it the blocks of sparse files and the tables, in which files lie where the tar has them.
 */
export const TAR_OFFSET = 4096;
const CHUNK_BYTES = 256 * 1024;
/** So much is handed to the disk while the rest is still arriving. */
const SYNC_BYTES = 32 << 20;
/** The kernel reads whole pages of a device. */
const ALIGN_BYTES = 4096;

export interface WrittenLayer {
  readonly path: string;
  /** Of the plain tar. */
  readonly diffId: string;
  readonly tarBytes: number;
  /** Of file content, each inode once. */
  readonly contentBytes: number;
  readonly fileBytes: number;
  /** Everything below is hidden: the root itself is opaque. */
  readonly opaque: boolean;
}

export interface WrittenTar {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Absent: it is no tar that could be a layer. Its bytes stand at `TAR_OFFSET` all the same. */
  readonly layer?: WrittenLayer;
}

/**
 * Writes a layer's file from its plain tar, in one pass, and syncs it. The same tar gives the same bytes. What turns out to be no layer
 * is refused at once, or kept to its end when somebody may still want its bytes. Faults: those of `learnTree`
 * (refused), `disk-full`, and what the source throws.
 */
export async function writeLayer(tar: AsyncIterable<Buffer>, path: string, limits: Limits, noLayer: 'refuse' | 'keep'): Promise<WrittenTar> {
  const source = tar[Symbol.asyncIterator]();
  const file = await open(path, 'wx+', 0o600).catch(refused);
  const writer = new TarWriter(file);
  let broken: unknown;
  async function* written(): AsyncGenerator<Buffer> {
    try {
      for (let next = await source.next(); next.done !== true; next = await source.next()) {
        await writer.write(next.value);
        yield next.value;
      }
    } catch (error) {
      broken = error;
      throw error;
    }
  }
  try {
    let tree: LayerTree | undefined;
    try {
      tree = await learnTree(written(), limits);
    } catch (error) {
      if (broken !== undefined || noLayer === 'refuse') throw error;
      for await (const _rest of written());
    }
    const { digest, sizeBytes } = await writer.end();
    if (tree === undefined) return { digest, sizeBytes };
    const { fileBytes, contentBytes } = await complete(file, tree.root, sizeBytes);
    return { digest, sizeBytes, layer: { path, diffId: digest, tarBytes: sizeBytes, contentBytes, fileBytes, opaque: tree.root.opaque } };
  } catch (error) {
    await writer.idle();
    await source.return?.();
    throw withDiskFull(error);
  } finally {
    await file.close();
  }
}

/** The tar in a layer's file. */
export function tarIn(path: string, tarBytes: number): AsyncIterable<Buffer> {
  if (tarBytes === 0) return (async function* () {})();
  return createReadStream(path, { start: TAR_OFFSET, end: TAR_OFFSET + tarBytes - 1, highWaterMark: CHUNK_BYTES });
}

/** Writes and hashes at the same time: the one in another thread, the other in this. */
class TarWriter {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #writing: Promise<unknown> = Promise.resolve();
  #syncing: Promise<unknown> | undefined;
  #sizeBytes = 0;
  #syncedBytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Resolves when there is room for more. Fault `disk-full`. */
  async write(chunk: Buffer): Promise<void> {
    await this.#writing;
    const at = TAR_OFFSET + this.#sizeBytes;
    this.#sizeBytes += chunk.length;
    this.#writing = writeAll(this.#file, chunk, at);
    this.#writing.catch(() => undefined);
    this.#hash.update(chunk);
    this.#sync();
  }

  async end(): Promise<{ digest: string; sizeBytes: number }> {
    await this.#writing;
    await this.#syncing;
    return { digest: `sha256:${this.#hash.digest('hex')}`, sizeBytes: this.#sizeBytes };
  }

  /** Resolves when nothing is under way any more, whatever became of it. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#writing, this.#syncing]);
  }

  #sync(): void {
    if (this.#syncing !== undefined || this.#sizeBytes - this.#syncedBytes < SYNC_BYTES) return;
    this.#syncedBytes = this.#sizeBytes;
    // It only begins early what happens in the end, which tells whether it failed.
    this.#syncing = this.#file.datasync().then(
      () => (this.#syncing = undefined),
      () => undefined,
    );
  }
}

/** Makes a squashfs of a file with a tar in it. */
async function complete(file: FileHandle, root: DirectoryNode, tarBytes: number): Promise<{ fileBytes: number; contentBytes: number }> {
  let end = TAR_OFFSET + tarBytes;
  const expanded = new Map<Inode, Content>();
  for (const inode of sparseFiles(root)) {
    const { offset, pieces = [] } = inode.body;
    const content = await expandSparse(file, TAR_OFFSET + offset, pieces, inode.contentBytes, end);
    expanded.set(inode, content);
    end = content.end;
  }
  const placed = (inode: Inode): Content => expanded.get(inode) ?? { at: TAR_OFFSET + inode.body.offset, sizeBytes: inode.contentBytes };
  const index = indexOf(root, end, placed);
  for (const table of index.tables) {
    await writeAll(file, table, end);
    end += table.length;
  }
  await writeAll(file, index.superblock, 0);
  const fileBytes = Math.ceil(end / ALIGN_BYTES) * ALIGN_BYTES;
  await file.truncate(fileBytes);
  await file.sync();
  return { fileBytes, contentBytes: index.contentBytes };
}

function* sparseFiles(root: DirectoryNode): Generator<Inode> {
  const found = new Set<Inode>();
  const pending = [root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const node of directory.children.values()) {
      if (node.kind === 'directory') pending.push(node);
      else if (node.kind === 'file' && node.inode.body.pieces !== undefined && !found.has(node.inode)) {
        found.add(node.inode);
        yield node.inode;
      }
    }
  }
}

function refused(error: unknown): never {
  throw withDiskFull(error);
}
