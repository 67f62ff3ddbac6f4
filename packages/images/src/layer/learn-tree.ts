import { layerTooLarge, tooManyEntries } from '../faults.ts';
import type { Limits } from '../limits.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { LayerTree } from './layer-tree.ts';

/** Reads a layer's plain tar to its end, checks it and learns its tree. Faults: those of the tar reader, `layer-too-large`, `too-many-entries`. */
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
      tree.add(entry, reader.stored);
    }
    return tree;
  } catch (error) {
    await reader.close();
    throw error;
  }
}
