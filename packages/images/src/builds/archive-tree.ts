import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { archiveTooLarge, tarInvalid, withDiskFull } from '../faults.ts';
import { compressionOf, decompressed, peek } from '../layer/compression.ts';
import { type Inode, LayerTree } from '../layer/layer-tree.ts';
import type { Limits } from '../limits.ts';
import type { Workspace } from '../store/files.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { FileTree, type Member } from './file-tree.ts';

const CHUNK_BYTES = 256 * 1024;

interface Kept {
  readonly entry: TarEntry;
  /** Where its content lies in the file. */
  readonly offset: number;
}

/**
 * A build context: its files' contents in one file of the workspace, one behind the other, its names in memory. So no name that
 * a client chose reaches the host's file system.
 */
export class ArchiveTree extends FileTree implements AsyncDisposable {
  readonly #workspace: Workspace;

  private constructor(tree: LayerTree, kept: ReadonlyMap<number, Kept>, path: string, workspace: Workspace) {
    super(tree.root, (inodes) => members(inodes, kept, path));
    this.#workspace = workspace;
  }

  static async open(
    tar: AsyncIterable<Buffer>,
    workspace: Workspace,
    { bytes, limits, signal }: { bytes: number; limits: Limits; signal: AbortSignal },
  ): Promise<ArchiveTree> {
    const path = workspace.path('context');
    const file = await open(path, 'wx');
    const kept = new Map<number, Kept>();
    const tree = new LayerTree();
    let offset = 0;
    try {
      const { head, whole } = await peek(tar, 6);
      const reader = new TarReader(bounded(decompressed(whole, compressionOf(head)), bytes, signal));
      try {
        for (let index = 0, entry = await reader.next(); entry !== undefined; index++, entry = await reader.next()) {
          if (index >= limits.layerEntries) throw tarInvalid(`the build context has more than ${limits.layerEntries} files`);
          if (/(?:^|\/)\.wh\.[^/]*\/?$/.test(entry.path))
            throw tarInvalid(`${JSON.stringify(entry.path)}: names that begin with .wh. mean deletions in a layer`);
          tree.add(entry, reader.stored);
          kept.set(index, { entry, offset });
          if (entry.kind !== 'file') continue;
          if (offset + entry.sizeBytes > bytes) throw archiveTooLarge(bytes);
          for await (const piece of reader.body()) {
            await file.write(piece);
            offset += piece.length;
          }
        }
      } finally {
        await reader.close();
      }
      return new ArchiveTree(tree, kept, path, workspace);
    } catch (error) {
      throw withDiskFull(error);
    } finally {
      await file.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workspace[Symbol.asyncDispose]();
  }
}

async function* members(inodes: ReadonlySet<Inode>, kept: ReadonlyMap<number, Kept>, path: string): AsyncGenerator<Member> {
  for (const inode of [...inodes].sort((a, b) => a.index - b.index)) {
    const found = kept.get(inode.index);
    if (found === undefined) continue;
    const { entry, offset } = found;
    yield {
      inode,
      entry,
      body: entry.sizeBytes === 0 ? nothing() : createReadStream(path, { start: offset, end: offset + entry.sizeBytes - 1, highWaterMark: CHUNK_BYTES }),
    };
  }
}

async function* nothing(): AsyncGenerator<Buffer> {}

async function* bounded(tar: AsyncIterable<Buffer>, limitBytes: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of tar) {
    signal.throwIfAborted();
    bytes += chunk.length;
    if (bytes > limitBytes) throw archiveTooLarge(limitBytes);
    yield chunk;
  }
}
