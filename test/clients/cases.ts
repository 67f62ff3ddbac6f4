import type { Case } from './case.ts';
import { containerCases } from './container-cases.ts';
import { lifecycleCases } from './lifecycle-cases.ts';
import { listingCases } from './listing-cases.ts';
import { networkCases } from './network-cases.ts';
import { upkeepCases } from './upkeep-cases.ts';
import { volumeCases } from './volume-cases.ts';

/** The table: what is asked of both daemons. */
export const cases: readonly Case[] = [...containerCases, ...lifecycleCases, ...listingCases, ...networkCases, ...volumeCases, ...upkeepCases];
