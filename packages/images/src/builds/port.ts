import type { Image, ImageProcessDefaults } from '../port.ts';
import type { FileTree } from './file-tree.ts';

/** Leases whose owner's name begins so are a build's, which does not outlive its process. */
export const BUILD_OWNER = 'build-';

/** Keys that begin so are of images for one step of one build, which nobody is to find again. */
export const PASSING = 'passing-';

/** What a builder needs of the images: to make one of a step, to find the one an earlier build made, to see what is in it. */
export interface ImageBuilds {
  /** The latest image that a step of this key made of that parent ('': of nothing). */
  cached(parentId: string, key: string): Image | undefined;
  /** An image of one step more. Nothing of it is there unless it is there whole. */
  step(step: BuildStep): Promise<Image>;
  /** Ends what an owner keeps; images that were for its steps alone (`passing`) go. */
  forget(owner: string): Promise<void>;
  /** The files of an image. Read from its layers' archives; the latest trees are remembered. */
  tree(image: Image): Promise<FileTree>;
  /** A tar that comes in (compressed or not), kept for as long as the archive is open. Faults: those of a layer, `archive-too-large`. */
  archive(tar: AsyncIterable<Buffer>, limits: { bytes: number; signal: AbortSignal }): Promise<FileTree & AsyncDisposable>;
}

export interface BuildStep {
  /** Absent: it begins from nothing. */
  readonly parent: Image | undefined;
  readonly key: string;
  /** Plain tar; absent, or with nothing in it: the step changed the configuration only. */
  readonly layer?: AsyncIterable<Buffer>;
  readonly config: ImageProcessDefaults;
  readonly createdBy: string;
  readonly author: string;
  /** Of the container that ran the step; '' when none did. */
  readonly containerId: string;
  /** Who keeps the new image until it has a name. */
  readonly owner: string;
  readonly signal: AbortSignal;
}
