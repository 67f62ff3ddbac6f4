import type { RuntimeFacts } from '@berth/runtime';
import type { Verdict } from './acceleration.ts';
import { flavorName } from './flavor.ts';
import type { Guest } from './options.ts';
import type { Pool } from './pool.ts';
import type { HostFacts } from './template/key.ts';

/** What `docker info` says of the runtime. */
export function runtimeFacts(
  name: string,
  verdict: Verdict,
  facts: HostFacts,
  guest: Guest,
  templates: readonly string[],
  counts: ReturnType<Pool['counts']>,
): RuntimeFacts {
  return {
    name,
    acceleration: verdict.acceleration,
    verdict: verdict.reason,
    version: facts.qemuVersion,
    kernel: guest.kernelVersion,
    // That it is emulated is told by `acceleration`.
    warnings: [],
    status: [
      ...templates.map((template) => ['Template', template] as const),
      ...counts.map(({ recipe, ready }) => [`Pool ${flavorName(recipe.flavor)} ${recipe.key.slice(-6)}`, `${ready} ready`] as const),
    ],
  };
}
