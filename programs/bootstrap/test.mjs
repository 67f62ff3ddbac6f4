import { TEST_PACKAGES, START_PACKAGES } from './apt-packages.mjs';
import { runChecks } from './checks.mjs';
import { checkMachine } from './machine.mjs';
import { berthNode } from './npm.mjs';
import { ROOT } from './options.mjs';
import { compileDaemon, prepareGuest, prepareModules, prepareSystem } from './prepare.mjs';
import { Problem } from './problem.mjs';
import { createProgress, duration } from './progress.mjs';
import { runSuites } from './run-suites.mjs';
import { allSuites } from './suites.mjs';

/** What the whole of `npm test`, set-up included, should take at most on two quiet cores. */
const BUDGET_MS = 15 * 60_000;
/** After this a suite is not waited for: a busy machine is slow, a hung one never ends. */
const LIMIT_MS = 60 * 60_000;

export async function test(options) {
  const begun = Date.now();
  const progress = createProgress();
  const words = [...options.rest, ...(options.values['--only'] === undefined ? [] : [options.values['--only']])];
  const suites = allSuites().filter((suite) => words.length === 0 || words.some((word) => suite.file.includes(word)));
  if (options.flags.has('--list')) {
    for (const suite of suites) progress.line(`${suite.unit ? 'unit' : '    '} ${String(suite.limitS).padStart(4)} s  ${suite.file}`);
    return 0;
  }
  if (suites.length === 0) throw new Problem(`No suite has ‘${words.join('’ or ‘')}’ in its path.`, ['npm test -- --list shows them.']);
  const system = checkMachine();
  let node;
  if (options.flags.has('--no-setup')) node = berthNode(ROOT);
  else {
    await prepareSystem(progress, system, [...START_PACKAGES, ...TEST_PACKAGES]);
    node = await prepareModules(progress);
    await prepareGuest(progress, node);
    await compileDaemon(node, () => undefined);
  }
  const failedChecks = words.length === 0 ? await runChecks(progress) : [];
  progress.line('');
  const verdict = await runSuites({ node, suites, deadlineMs: begun + LIMIT_MS, progress });
  closingLines(progress, verdict, failedChecks);
  const tookMs = Date.now() - begun;
  progress.line(`npm test took ${duration(tookMs)}${tookMs > BUDGET_MS ? `, more than its budget of ${duration(BUDGET_MS)}` : ''}.`);
  return failedChecks.length === 0 && verdict.totals.failed + verdict.totals.cancelled === 0 ? 0 : 1;
}

/** node:test's own closing lines, summed over all files, and one plain line. */
export function closingLines(progress, verdict, failedChecks) {
  const { totals } = verdict;
  progress.line('');
  progress.line(`ℹ tests ${totals.tests}`);
  progress.line(`ℹ suites ${totals.suites}`);
  progress.line(`ℹ pass ${totals.passed}`);
  progress.line(`ℹ fail ${totals.failed}`);
  progress.line(`ℹ cancelled ${totals.cancelled}`);
  progress.line(`ℹ skipped ${totals.skipped}`);
  progress.line(`ℹ todo ${totals.todo}`);
  progress.line(`ℹ duration_ms ${verdict.durationMs}`);
  if (verdict.failures.length > 0) progress.line(`\nfailed suites:\n${verdict.failures.map((file) => `  ${file}`).join('\n')}`);
  if (failedChecks.length > 0) progress.line(`\nfailed checks: ${failedChecks.join(', ')}`);
  progress.line(`\n${totals.passed} passed, ${totals.failed + totals.cancelled} failed, ${totals.skipped} skipped`);
}
