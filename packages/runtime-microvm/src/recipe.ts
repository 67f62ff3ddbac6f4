import { availableParallelism } from 'node:os';
import type { WarmRequest } from '@berth/runtime';
import { chooseFlavor } from './flavor.ts';
import type { Recipe } from './pool.ts';
import type { Templates } from './template/templates.ts';

/** What a container's machine is made from. Faults: those of `chooseFlavor`. */
export function recipeFor(request: WarmRequest, world: { disks: number; emulated: boolean; templates: Templates }): Recipe {
  const { layers } = request.rootfs;
  const flavor = chooseFlavor({
    layers: layers.length,
    disks: world.disks,
    emulated: world.emulated,
    hostCpus: availableParallelism(),
    ...(request.memoryBytes === undefined ? {} : { memoryBytes: request.memoryBytes }),
    ...(request.cpus === undefined ? {} : { cpus: request.cpus }),
  });
  return { key: world.templates.imageName(flavor, layers), flavor, layers };
}
