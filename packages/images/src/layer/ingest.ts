import { createHash } from 'node:crypto';
import { layerTooLarge, tooManyEntries, withDiskFull } from '../faults.ts';
import type { Limits } from '../limits.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { LayerTree } from './layer-tree.ts';

export interface Ingested {
  /** Digest of the plain tar. */
  readonly diffId: string;
  readonly tarBytes: number;
  readonly tree: LayerTree;
}

/** Reads a layer's plain tar once: hashes it and learns its tree. Faults: those of `learnTree`. */
export async function ingestLayer(tar: AsyncIterable<Buffer>, limits: Limits): Promise<Ingested> {
  const hash = createHash('sha256');
  let tarBytes = 0;
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of tar) {
      tarBytes += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
  }
  const tree = await learnTree(hashed(), limits);
  return { diffId: `sha256:${hash.digest('hex')}`, tarBytes, tree };
}

/**
 * Reads a layer's plain tar to its end, checks it and learns its tree. Faults: those of the tar reader,
 * `layer-too-large`, `too-many-entries`, `disk-full`.
 */
export async function learnTree(tar: AsyncIterable<Buffer>, limits: Limits): Promise<LayerTree> {
  let tarBytes = 0;
  async function* bounded(): AsyncGenerator<Buffer> {
    for await (const chunk of tar) {
      tarBytes += chunk.length;
      if (tarBytes > limits.layerBytes) throw layerTooLarge(limits.layerBytes);
      yield chunk;
    }
  }
  const reader = new TarReader(bounded());
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
    return tree;
  } catch (error) {
    await reader.close();
    throw withDiskFull(error);
  }
}
