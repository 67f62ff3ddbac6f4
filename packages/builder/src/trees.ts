import { FileTree, type Image } from '@berth/images';
import type { World } from './world.ts';

/** The files of an image, or of nothing. */
export async function treeOf({ engine }: Pick<World, 'engine'>, image: Image | undefined): Promise<FileTree> {
  if (image !== undefined) return await engine.images.builds.tree(image);
  return new FileTree({ kind: 'directory', children: new Map(), entry: undefined, opaque: false }, async function* () {});
}
