import { statSync } from 'node:fs';
import type { LayerPlace } from '@berth/guest-protocol';
import type { LayerFile } from '@berth/runtime';

/** How an image's layers are spread over a machine's block devices. */
export interface LayerDisks {
  /** What each device holds, from the first on: several files are seen as one after the other. */
  readonly disks: readonly (readonly string[])[];
  /** Where the guest finds each layer, lowest first. */
  readonly places: readonly LayerPlace[];
}

/**
 * One device a layer while there are enough; otherwise the smallest share the last one. Depends on nothing but the files,
 * so that whoever starts a machine and whoever speaks to its guest come to the same.
 */
export function arrangeLayers(layers: readonly LayerFile[], slots: number, sizeOf = (path: string) => statSync(path).size): LayerDisks {
  if (layers.length <= slots) return { disks: layers.map(({ path }) => [path]), places: layers.map((_, index) => ({ device: { index } })) };
  const sizes = layers.map(({ path }) => sizeOf(path));
  const bySize = [...layers.keys()].sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0) || a - b);
  const alone = new Set(bySize.slice(0, slots - 1));
  const disks: string[][] = [];
  const shared: string[] = [];
  let offsetBytes = 0;
  const places = layers.map(({ path }, position) => {
    if (alone.has(position)) return { device: { index: disks.push([path]) - 1 } };
    const sizeBytes = sizes[position] ?? 0;
    shared.push(path);
    offsetBytes += sizeBytes;
    return { device: { index: slots - 1 }, part: { offsetBytes: offsetBytes - sizeBytes, sizeBytes } };
  });
  return { disks: [...disks, shared], places };
}
