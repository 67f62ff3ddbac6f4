import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './options.mjs';

/**
 * How suites are run. A suite is a `*.test.ts` file. `together`: several at a time, they only use their own directories.
 * `alone`: one at a time, because it boots virtual machines or a dockerd and the machine has two cores. The first rule
 * whose pattern fits holds. `long`: too long for `npm run check`.
 */
const RULES = [
  { pattern: /^architecture\.test\.ts$/, stage: 'together', limitS: 120 },
  { pattern: /^test\/chaos\//, stage: 'alone', limitS: 600 },
  { pattern: /^test\//, stage: 'alone', limitS: 480 },
  { pattern: /^packages\/runtime-microvm\//, stage: 'alone', limitS: 360 },
  { pattern: /^programs\/(bootstrap|berthd)\//, stage: 'together', limitS: 120 },
  { pattern: /^programs\//, stage: 'alone', limitS: 360 },
  { pattern: /^packages\/[^/]+\/test\//, stage: 'alone', limitS: 360 },
  { pattern: /integration\.test\.ts$/, stage: 'alone', limitS: 360 },
  { pattern: /\/(storm|crash)(\.test|\/)/, stage: 'together', limitS: 360, long: true },
  { pattern: /./, stage: 'together', limitS: 300 },
];

const PLACES = ['packages', 'programs', 'test', 'bench'];

/** @returns {{ file: string, stage: 'together' | 'alone', limitS: number, long: boolean }[]} in the order in which they are to be run */
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
    const { stage, limitS, long = false } = RULES[rank];
    return { file, stage, limitS, long: long || needsNamespace(file), rank };
  });
  // What is quickest to fail comes first: units, then packages with machines, then the whole, then chaos.
  return ranked
    .sort((a, b) => Number(a.stage === 'alone') - Number(b.stage === 'alone') || b.rank - a.rank || (a.file < b.file ? -1 : 1))
    .map(({ file, stage, limitS, long }) => ({ file, stage, limitS, long }));
}

/** Suites that make network namespaces take their time, wherever they are. */
function needsNamespace(file) {
  return /\b(inOwnNamespace|NetNamespace)\b/.test(readFileSync(join(ROOT, file), 'utf8'));
}

export const unitSuites = () => allSuites().filter((suite) => suite.stage === 'together' && !suite.long);
