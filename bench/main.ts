/**
 * `npm run bench`: measures the figures Berth promises, against dockerd + runc on the same machine, and writes them to
 * bench/results/. With `--trace` it shows instead where the time of one start goes.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '@berth/sys';
import { openBerth } from './berth-side.ts';
import { type BenchOptions, type FigureRow, verdict } from './figure.ts';
import { figures } from './figures/index.ts';
import { machineFacts } from './machine.ts';
import { markdown, type Report, writeReport } from './report.ts';
import { openPodman } from './podman-side.ts';
import { openDockerd } from './side.ts';
import { tracePage } from './trace-page.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    runs: { type: 'string' },
    out: { type: 'string', default: fileURLToPath(new URL('results', import.meta.url)) },
  },
});

let acceleration = 'unknown';
const say = (line: string) => process.stderr.write(`  ${line}\n`);
const options: BenchOptions = {
  quick: values.quick,
  ...(values.runs === undefined ? {} : { runs: Number(values.runs) }),
  openBerth: (extraArgs) => openBerth((sentence) => (acceleration = sentence), extraArgs),
  openDockerd,
  openPodman: () => openPodman(say),
  say,
};

if (values.list) {
  for (const figure of figures) process.stdout.write(`${figure.name.padEnd(14)} ${figure.title}\n`);
} else if (values.trace) {
  const page = await tracePage(options);
  process.stdout.write(page);
  if (values.out !== '') await writeFile(`${values.out}/trace.md`, page);
} else {
  await measure();
}

async function measure(): Promise<void> {
  const machine = await machineFacts();
  const commit =
    (await run('git', ['rev-parse', '--short', 'HEAD'], { cwd: fileURLToPath(new URL('..', import.meta.url)) }).catch(() => undefined))?.stdout.trim() ??
    'unknown';
  const chosen = figures.filter((figure) => values.only === undefined || values.only.includes(figure.name));
  if (chosen.length === 0) throw new Error(`no figure has that name; there are ${figures.map((figure) => figure.name).join(', ')}`);
  const takenAt = new Date().toISOString();
  const rows: FigureRow[] = [];
  const failures: { figure: string; message: string }[] = [];
  for (const figure of chosen) {
    process.stderr.write(`${figure.title}\n`);
    try {
      const measured = await figure.run(options);
      rows.push(...measured);
      for (const row of measured) say(`${row.figure}: ${row.value.toFixed(2)} ${row.unit}, ${verdict(row)}`);
    } catch (error) {
      failures.push({ figure: figure.title, message: (error as Error).message.slice(0, 2000) });
      say(`failed: ${(error as Error).stack ?? error}`);
    }
  }
  const report: Report = { takenAt, commit, quick: values.quick, machine, acceleration, rows, failures };
  process.stdout.write(markdown(report));
  if (values.out !== '') process.stderr.write(`written: ${await writeReport(values.out, report)}.md\n`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
