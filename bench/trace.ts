import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Berth } from '../test/berth/index.ts';
import type { StartTrace } from './figure.ts';
import { median } from './statistics.ts';

/** Reads what the daemon noted about its latest starts: one JSON object a line, newest last. */
export async function readTraces(berth: Berth): Promise<StartTrace[]> {
  const lines = await readFile(join(berth.stateDirectory, 'trace.jsonl'), 'utf8').catch(() => '');
  return lines.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line) as StartTrace);
}

/** Markdown: a row a phase, medians over the traces that have it. */
export function traceTable(traces: readonly StartTrace[]): string {
  const names = [...new Set(traces.flatMap((trace) => trace.phases.map((phase) => phase.name)))];
  const rows = names.map((name) => {
    const phases = traces.flatMap((trace) => trace.phases.filter((phase) => phase.name === name));
    const begin = median(phases.map((phase) => phase.beginMs));
    return { name, begin, took: median(phases.map((phase) => phase.endMs - phase.beginMs)), count: phases.length };
  });
  return [
    '| phase | begins at ms | takes ms | seen in |',
    '|---|---|---|---|',
    ...rows.sort((a, b) => a.begin - b.begin).map((row) => `| ${row.name} | ${row.begin.toFixed(1)} | ${row.took.toFixed(1)} | ${row.count} |`),
    '',
  ].join('\n');
}
