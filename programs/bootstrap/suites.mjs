import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './options.mjs';

/**
 * How suites are run. A suite is a `*.test.ts` file. `unit`: boots no machine and no daemon, and is part of `npm run check`.
 * `tells`: what its tests say of themselves (how many, how long) is printed. `alone`: beside no other, because it takes all that the
 * machine has. The first rule whose pattern fits holds.
 */
const RULES = [
  { pattern: /^test\/chaos\//, limitS: 900, tells: true, alone: true },
  { pattern: /^test\/compose/, limitS: 1800 },
  { pattern: /^test\//, limitS: 1200 },
  { pattern: /^packages\/runtime-microvm\//, limitS: 900 },
  { pattern: /^programs\/(bootstrap|berthd)\//, limitS: 120, unit: true },
  { pattern: /^programs\//, limitS: 360 },
  { pattern: /^packages\/[^/]+\/test\//, limitS: 360 },
  { pattern: /integration\.test\.ts$/, limitS: 360 },
  { pattern: /\/(storm|crash)(\.test|\/)/, limitS: 360 },
  { pattern: /./, limitS: 300, unit: true },
];

const PLACES = ['packages', 'programs', 'test', 'bench'];

/** @returns {{ file: string, limitS: number, unit: boolean, tells: boolean, alone: boolean }[]} in the order in which they are to be run */
export function allSuites() {
  const files = readdirSync(ROOT).filter((name) => name.endsWith('.test.ts'));
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name === 'node_modules' || entry.name === 'build') continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.name.endsWith('.test.ts')) files.push(relative(ROOT, path));
    }
  };
  for (const place of PLACES) walk(join(ROOT, place));
  const ranked = files.sort().map((file) => {
    const rank = RULES.findIndex((rule) => rule.pattern.test(file));
    const { limitS, unit = false, tells = false, alone = false } = RULES[rank];
    return { file, limitS, unit: unit && !needsNamespace(file), tells, alone, rank };
  });
  // What is quickest to fail comes first. Of the rest the longest come first, so that nobody waits for one of them at the end.
  return ranked.sort((a, b) => Number(b.unit) - Number(a.unit) || a.rank - b.rank || (a.file < b.file ? -1 : 1)).map(({ rank: _rank, ...suite }) => suite);
}

/** Suites that make network namespaces take their time, wherever they are. */
function needsNamespace(file) {
  return /\b(inOwnNamespace|NetNamespace)\b/.test(readFileSync(join(ROOT, file), 'utf8'));
}

export const unitSuites = () => allSuites().filter((suite) => suite.unit);
