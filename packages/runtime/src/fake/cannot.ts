import type { Ability } from '../conformance/abilities.ts';

/** What the conformance suite must not ask of the fake. */
export const fakeCannot: readonly Ability[] = ['root-filesystem', 'process-one', 'limits', 'network', 'users', 'mounts', 'sysctls', 'init'];
