import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StartTrace } from '@berth/runtime-microvm';
import type { Berth } from '../test/berth/index.ts';
import { median } from './statistics.ts';

/** Reads what the daemon noted about its latest starts: one JSON object a line, newest last. */
export async function readTraces(berth: Berth): Promise<StartTrace[]> {
  const lines = await readFile(join(berth.stateDirectory, 'trace.jsonl'), 'utf8').catch(() => '');
  return lines
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as StartTrace);
}

/** How long after the phase before it each phase of a start was over, in the order of the trace. */
export function durations(trace: StartTrace): { phase: string; beginMs: number; tookMs: number }[] {
  return trace.phases.map(({ phase, atMs }, index) => {
    const beginMs = trace.phases[index - 1]?.atMs ?? 0;
    return { phase, beginMs, tookMs: atMs - beginMs };
  });
}

/** Markdown: a row a phase, medians over the starts of one source (pool or clone) that have it. */
export function traceTable(traces: readonly StartTrace[]): string {
  const parts: string[] = [];
  for (const source of ['pool', 'clone'] as const) {
    const rows = traces.filter((trace) => trace.source === source).flatMap(durations);
    if (rows.length === 0) continue;
    const phases = [...new Set(rows.map((row) => row.phase))].map((phase) => {
      const of = rows.filter((row) => row.phase === phase);
      return { phase, count: of.length, begin: median(of.map((row) => row.beginMs)), took: median(of.map((row) => row.tookMs)) };
    });
    phases.sort((a, b) => a.begin - b.begin);
    parts.push(
      source === 'pool' ? 'A child was waiting in the pool:' : 'A clone was made on demand:',
      '',
      '| phase | begins at ms | takes ms | starts that have it |',
      '|---|---|---|---|',
      ...phases.map((row) => `| ${row.phase} | ${row.begin.toFixed(1)} | ${row.took.toFixed(1)} | ${row.count} |`),
      '',
    );
  }
  return parts.join('\n');
}
