import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { compressionOf, decompressed, peek } from '../layer/compression.ts';
import { entryPath } from '../layer/entry-path.ts';
import { archiveInvalid, archiveTooLarge, tooManyEntries, withDiskFull } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { Workspace } from '../store/files.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { TAR_OFFSET, type WrittenLayer, writeLayer } from '../layer/layer-file.ts';

export interface SpooledFile {
  /**
   * In the workspace, named by number: nothing of the archive's own names reaches the file system.
   */
  readonly path: string;
  /** Where in the file its bytes begin: a plain tar is kept as layers are. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly digest: string;
  /** Of a plain tar that can be a layer. */
  readonly layer?: WrittenLayer;
}

const MAX_LINKS = 10;
const HEAD_BYTES = 512;

/** The files of an archive given to `load`, by the names they have in it. */
export class Spool {
  readonly #files = new Map<string, SpooledFile>();
  readonly #links = new Map<string, string>();
  readonly #limits: Limits;

  private constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Unpacks an archive (plain or compressed) into the workspace. */
  static async receive(stream: AsyncIterable<Buffer>, workspace: Workspace, limits: Limits, signal?: AbortSignal): Promise<Spool> {
    const spool = new Spool(limits);
    const { head, whole } = await peek(bounded(stream, limits.archiveBytes, signal), 6);
    const reader = new TarReader(bounded(decompressed(whole, compressionOf(head)), limits.archiveBytes, signal));
    try {
      let entries = 0;
      for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
        if (++entries > limits.archiveEntries) throw tooManyEntries(limits.archiveEntries);
        if (entry.sizeBytes > limits.archiveBytes) throw archiveTooLarge(limits.archiveBytes);
        const names = entryPath(entry.path);
        const name = names.join('/');
        if (entry.kind === 'file') {
          spool.#files.set(name, await spool.#keep(reader.body(), workspace.path(`file-${entries}`)));
          spool.#links.delete(name);
        } else if (entry.kind === 'symlink') {
          // Docker before 25 wrote a layer that several images share once, and links to it.
          const target = entry.linkPath.startsWith('/') ? entry.linkPath : [...names.slice(0, -1), entry.linkPath].join('/');
          spool.#links.set(name, entryPath(target).join('/'));
        } else if (entry.kind === 'hardlink') {
          spool.#links.set(name, entryPath(entry.linkPath).join('/'));
        }
      }
      return spool;
    } catch (error) {
      await reader.close();
      throw withDiskFull(error);
    }
  }

  async #keep(body: AsyncIterable<Buffer>, path: string): Promise<SpooledFile> {
    const { head, whole } = await peek(body, HEAD_BYTES);
    if (!isTar(head)) return keepPlain(whole, path);
    return { ...(await writeLayer(whole, path, this.#limits, 'keep')), path, offset: TAR_OFFSET };
  }

  file(name: string): SpooledFile | undefined {
    let at = name;
    for (let links = 0; links <= MAX_LINKS; links++) {
      const file = this.#files.get(at);
      if (file !== undefined) return file;
      const next = this.#links.get(at);
      if (next === undefined) return undefined;
      at = next;
    }
    return undefined;
  }

  /** A small file as a whole. Fault `archive-invalid` when it isn't there or isn't small. */
  async document(name: string): Promise<Buffer> {
    const file = this.file(name);
    if (file === undefined) throw archiveInvalid(`invalid archive: ${name} is missing`);
    if (file.sizeBytes > this.#limits.documentBytes) throw archiveInvalid(`invalid archive: ${name} is too large`);
    return readFile(file.path);
  }
}

async function keepPlain(body: AsyncIterable<Buffer>, path: string): Promise<SpooledFile> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  let sizeBytes = 0;
  try {
    for await (const chunk of body) {
      // The write goes on in another thread while this one hashes.
      const written = file.writeFile(chunk);
      hash.update(chunk);
      await written;
      sizeBytes += chunk.length;
    }
  } finally {
    await file.close();
  }
  return { path, offset: 0, sizeBytes, digest: `sha256:${hash.digest('hex')}` };
}

/** The mark every tar written since 1988 has in its first member's header. */
function isTar(head: Buffer): boolean {
  return head.toString('latin1', 257, 262) === 'ustar';
}

async function* bounded(source: AsyncIterable<Buffer>, limitBytes: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    signal?.throwIfAborted();
    bytes += chunk.length;
    if (bytes > limitBytes) throw archiveTooLarge(limitBytes);
    yield chunk;
  }
}
