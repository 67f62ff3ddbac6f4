import { type FileTree, padding, type TarEntry, TarReader, tarHeader } from '@berth/images';

export interface MountedPlaces {
  /** The image as it was before the step. */
  readonly tree: FileTree;
  /** What was shown from elsewhere: all at or below it is dropped. */
  readonly shown: readonly string[];
  /** What was mounted: the empty directories (or file) made to mount it on are dropped, unless something else came into them. */
  readonly mounted: readonly string[];
}

/** The members of a step's layer without what its mounts left in it. */
export async function* withoutMounts(layer: AsyncIterable<Buffer>, { tree, shown, mounted }: MountedPlaces): AsyncGenerator<Buffer> {
  const real = (path: string) => tree.find(Buffer.from(path).toString('latin1')).names;
  const hidden = shown.map((path) => real(path).join('/'));
  const made = new Set(
    mounted
      .map(real)
      .flatMap((names) => names.map((_, index) => names.slice(0, index + 1).join('/')))
      .filter((path) => tree.find(path, { follow: false }).node === undefined),
  );
  /** Directories that are only there to mount on, as far as is known yet. */
  const waiting: TarEntry[] = [];
  const places = new Set(mounted.map((path) => real(path).join('/')));
  const reader = new TarReader(layer);
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      const path = entry.path.replace(/\/$/, '');
      if (hidden.some((one) => path === one || path.startsWith(`${one}/`))) continue;
      if (made.has(path)) {
        if (!places.has(path)) waiting.push(entry);
        continue;
      }
      for (const directory of [...waiting]) {
        if (!path.startsWith(`${directory.path.replace(/\/$/, '')}/`)) continue;
        waiting.splice(waiting.indexOf(directory), 1);
        yield tarHeader(directory);
      }
      yield tarHeader(entry);
      if (entry.kind !== 'file') continue;
      yield* reader.body();
      yield padding(entry.sizeBytes);
    }
  } finally {
    await reader.close();
  }
}
