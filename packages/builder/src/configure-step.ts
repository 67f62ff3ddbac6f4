import { commentOf, type Instruction } from '@berth/dockerfile';
import { commitStep, fromCache } from './commit-step.ts';
import { LayerWriter, layerOf, ROOT } from './layer-writer.ts';
import type { StageState } from './stage-state.ts';
import { treeOf } from './trees.ts';
import type { World } from './world.ts';

/** An instruction that changes what an image says of itself. A working directory is made, too, when it isn't there. */
export async function configureStep(world: World, state: StageState, instruction: Instruction): Promise<void> {
  state.apply(instruction);
  const comment = commentOf(instruction, state.config);
  const shell = (state.config.Shell ?? ['/bin/sh', '-c']).join(' ');
  // dockerd's commands have a word more for those that it writes itself.
  const step = { createdBy: `${shell} #(nop) ${instruction.name === 'WORKDIR' ? '' : ' '}${comment}` };
  if (fromCache(world, state, step)) return;
  const layer = instruction.name === 'WORKDIR' ? await workdir(world, state) : undefined;
  await commitStep(world, state, step, layer === undefined ? {} : { layer });
}

async function workdir(world: World, state: StageState): Promise<AsyncIterable<Buffer> | undefined> {
  const tree = await treeOf(world, state.image);
  const path = Buffer.from(state.config.WorkingDir ?? '/').toString('latin1');
  if (tree.find(path).node?.kind === 'directory') return undefined;
  return layerOf(new LayerWriter(tree, world.nowMs()).directory(path, ROOT).headers);
}
