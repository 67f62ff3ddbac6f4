import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
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

/**
 * Reads a layer's plain tar once: hashes it, checks it, learns its tree, and on the way writes it to the file `copy`
 * (absent: it can be read again). Faults: those of the tar reader, `layer-too-large`, `too-many-entries`, `disk-full`.
 */
export async function ingestLayer(tar: AsyncIterable<Buffer>, limits: Limits, copy?: string): Promise<Ingested> {
  const hash = createHash('sha256');
  const file = copy === undefined ? undefined : await open(copy, 'wx');
  let tarBytes = 0;

  async function* tapped(): AsyncGenerator<Buffer> {
    for await (const chunk of tar) {
      tarBytes += chunk.length;
      if (tarBytes > limits.layerBytes) throw layerTooLarge(limits.layerBytes);
      // The write goes on in another thread while this one hashes.
      const written = file?.writeFile(chunk);
      hash.update(chunk);
      await written;
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
  } catch (error) {
    await reader.close();
    throw withDiskFull(error);
  } finally {
    await file?.close();
  }
  return { diffId: `sha256:${hash.digest('hex')}`, tarBytes, tree };
}
