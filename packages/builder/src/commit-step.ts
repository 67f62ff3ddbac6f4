import { createHash } from 'node:crypto';
import type { Image } from '@berth/images';
import type { StageState } from './stage-state.ts';
import type { World } from './world.ts';

export interface Step {
  /** For the image's history, and with the configuration the key. */
  readonly createdBy: string;
  /** What else says that two steps are the same. */
  readonly alsoKey?: string;
}

export interface Made {
  readonly layer?: AsyncIterable<Buffer>;
  readonly containerId?: string;
}

/** The image that an earlier build made by this step; the state moves on to it. A miss is a miss for the rest of the stage. */
export function fromCache(world: World, state: StageState, step: Step): boolean {
  if (world.request.noCache || state.missed) return false;
  const image = world.engine.images.builds.cached(state.imageId, keyOf(state, step));
  if (image === undefined) {
    state.missed = true;
    return false;
  }
  world.engine.images.lease(image, world.owner);
  state.image = image;
  world.output.text(' ---> Using cache\n');
  return true;
}

/** Makes the image of a step and moves on to it. */
export async function commitStep(world: World, state: StageState, step: Step, { layer, containerId = '' }: Made = {}): Promise<Image> {
  const image = await world.engine.images.builds.step({
    parent: state.image,
    key: keyOf(state, step),
    ...(layer === undefined ? {} : { layer }),
    config: { ...state.config, Image: state.imageId },
    createdBy: step.createdBy,
    author: state.author,
    containerId,
    owner: world.owner,
    signal: world.signal,
  });
  state.image = image;
  return image;
}

function keyOf(state: StageState, { createdBy, alsoKey = '' }: Step): string {
  return createHash('sha256')
    .update(JSON.stringify([createdBy, alsoKey, state.config, state.author]))
    .digest('hex');
}
