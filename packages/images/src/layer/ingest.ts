import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Writable } from 'node:stream';
import { constants, createZstdCompress } from 'node:zlib';
import { layerTooLarge, tooManyEntries, withDiskFull } from '../faults.ts';
import { TarReader } from '../tar/tar-reader.ts';
import type { Limits } from '../limits.ts';
import { LayerTree } from './layer-tree.ts';

export interface Ingested {
  /** Digest of the plain tar. */
  readonly diffId: string;
  readonly tarBytes: number;
  readonly tree: LayerTree;
}

/**
 * Reads a layer's plain tar once: hashes it, checks it, learns its tree, and on the way keeps it, zstd-compressed, in the
 * file `keepIn` (absent: it is kept already). Faults: those of the tar reader, `layer-too-large`, `too-many-entries`,
 * `disk-full`.
 */
export async function ingestLayer(tar: AsyncIterable<Buffer>, limits: Limits, keepIn?: string): Promise<Ingested> {
  const hash = createHash('sha256');
  const keeper = keepIn === undefined ? undefined : new ZstdFile(keepIn);
  let tarBytes = 0;

  async function* tapped(): AsyncGenerator<Buffer> {
    for await (const chunk of tar) {
      tarBytes += chunk.length;
      if (tarBytes > limits.layerBytes) throw layerTooLarge(limits.layerBytes);
      hash.update(chunk);
      if (keeper !== undefined) await keeper.write(chunk);
      yield chunk;
    }
  }

  const reader = new TarReader(tapped());
  const tree = new LayerTree();
  try {
    let entries = 0;
    let unpackedBytes = 0;
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (++entries > limits.layerEntries) throw tooManyEntries(limits.layerEntries);
      // Sparse files unpack to more than the tar holds.
      unpackedBytes += entry.sizeBytes;
      if (unpackedBytes > limits.layerBytes) throw layerTooLarge(limits.layerBytes);
      tree.add(entry);
    }
    await keeper?.end();
  } catch (error) {
    await reader.close();
    keeper?.destroy();
    throw withDiskFull(error);
  }
  return { diffId: `sha256:${hash.digest('hex')}`, tarBytes, tree };
}

/** A file that is compressed while it is written; synced at the end. */
class ZstdFile {
  readonly #zstd = createZstdCompress({ chunkSize: 256 * 1024, params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } });
  readonly #file: Writable;
  #error: unknown;

  constructor(path: string) {
    this.#file = createWriteStream(path, { flags: 'wx', flush: true, highWaterMark: 1 << 20 });
    const fail = (error: unknown) => {
      this.#error ??= error;
      this.#zstd.destroy();
      this.#file.destroy();
    };
    this.#file.on('error', fail);
    this.#zstd.on('error', fail);
    this.#zstd.pipe(this.#file);
  }

  async write(chunk: Buffer): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#zstd.write(chunk)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#zstd.off('drain', done);
        this.#zstd.off('close', done);
        resolve();
      };
      this.#zstd.on('drain', done);
      this.#zstd.on('close', done);
    });
    if (this.#error !== undefined) throw this.#error;
  }

  async end(): Promise<void> {
    this.#zstd.end();
    await finished(this.#file).catch((error: unknown) => {
      throw this.#error ?? error;
    });
  }

  destroy(): void {
    this.#zstd.destroy();
    this.#file.destroy();
  }
}
