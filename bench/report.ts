import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bound, type FigureRow, verdict } from './figure.ts';
import type { MachineFacts } from './machine.ts';

export interface Report {
  readonly takenAt: string;
  readonly commit: string;
  readonly quick: boolean;
  readonly machine: MachineFacts;
  readonly acceleration: string;
  readonly rows: readonly FigureRow[];
  readonly failures: readonly { readonly figure: string; readonly message: string }[];
}

const digits = (value: number) => (Number.isNaN(value) ? '–' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const bound = (b: Bound) => `${b.at === 'most' ? '≤' : '≥'} ${b.value}`;

export function markdown(report: Report): string {
  const { machine } = report;
  const samples = (row: FigureRow) =>
    Object.entries(row.samples)
      .map(([name, s]) => (s.count === 1 ? `${name}: ${digits(s.median)}` : `${name}: median ${digits(s.median)}, p95 ${digits(s.p95)}, n ${s.count}`))
      .join('; ');
  return [
    `# Figures of ${report.takenAt}${report.quick ? ' (quick run: few samples)' : ''}`,
    '',
    `Commit ${report.commit}. ${machine.processor}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.distribution}, kernel ${machine.kernel}; load when it began ${machine.loadAtStart}.`,
    `Acceleration: ${report.acceleration}. ${machine.qemu}; ${machine.dockerd}; ${machine.runc}; client: ${machine.dockerCli}; podman: ${machine.podman}; Node ${machine.node}.`,
    '',
    '| figure | measured | unit | must | aim | verdict | behind it |',
    '|---|---|---|---|---|---|---|',
    ...report.rows.map(
      (row) =>
        `| ${row.figure} | **${digits(row.value)}** | ${row.unit} | ${bound(row.must)} | ${bound(row.aim)} | ${verdict(row)} | ${samples(row)}${row.note ? ` (${row.note})` : ''} |`,
    ),
    '',
    ...report.failures.map((failure) => `Not measured, ${failure.figure}: ${failure.message}`),
    '',
    'Repeat it with `npm run bench` (as root; `-- --quick` for few samples).',
    '',
  ].join('\n');
}

/** Writes `<time>.json` and `<time>.md` and gives the path without the extension. */
export async function writeReport(directory: string, report: Report): Promise<string> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, report.takenAt.replace(/[:.]/g, '-').replace(/-\d+Z$/, ''));
  await writeFile(`${path}.json`, `${JSON.stringify(report, null, 1)}\n`);
  await writeFile(`${path}.md`, markdown(report));
  return path;
}
