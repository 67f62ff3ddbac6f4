import { runChecks } from './checks.mjs';
import { berthNode } from './npm.mjs';
import { ROOT } from './options.mjs';
import { createProgress, duration } from './progress.mjs';
import { runSuites } from './run-suites.mjs';
import { unitSuites } from './suites.mjs';
import { closingLines } from './test.mjs';

export async function check(options) {
  const begun = Date.now();
  const progress = createProgress();
  const failedChecks = await runChecks(progress, { fix: options.flags.has('--fix') });
  const verdict = await runSuites({ node: berthNode(ROOT), suites: unitSuites(), deadlineMs: Date.now() + 600_000, progress });
  closingLines(progress, verdict, failedChecks);
  progress.line(`npm run check took ${duration(Date.now() - begun)}.`);
  return failedChecks.length === 0 && verdict.totals.failed + verdict.totals.cancelled === 0 ? 0 : 1;
}
