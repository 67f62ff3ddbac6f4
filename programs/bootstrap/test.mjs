import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TEST_PACKAGES, START_PACKAGES } from './apt-packages.mjs';
import { runChecks } from './checks.mjs';
import { checkMachine } from './machine.mjs';
import { berthNode } from './npm.mjs';
import { ROOT } from './options.mjs';
import { compileDaemon, prepareGuest, prepareModules, prepareSystem } from './prepare.mjs';
import { Problem } from './problem.mjs';
import { createProgress, duration } from './progress.mjs';
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
    for (const suite of suites) progress.line(`${suite.stage.padEnd(9)} ${String(suite.limitS).padStart(4)} s  ${suite.file}`);
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
  const verdict = await runInNamespaces(node, suites, begun + LIMIT_MS);
  closingLines(progress, verdict, failedChecks);
  const tookMs = Date.now() - begun;
  progress.line(`npm test took ${duration(tookMs)}${tookMs > BUDGET_MS ? `, more than its budget of ${duration(BUDGET_MS)}` : ''}.`);
  return failedChecks.length === 0 && verdict.totals.failed + verdict.totals.cancelled === 0 ? 0 : 1;
}

/**
 * Runs suites where everything they mount and every process they start is visible to the runner and to nobody else, and
 * goes away with it whatever happens: a mount and a process namespace, with their own /dev/shm and /run/netns. The first
 * process is a shell, because somebody has to reap what is orphaned.
 */
export async function runInNamespaces(node, suites, deadlineMs) {
  const folder = mkdtempSync('/tmp/bt-plan-');
  const plan = join(folder, 'plan.json');
  const result = join(folder, 'result.json');
  const shared = process.env.BERTH_SHARED_MACHINE === '1';
  writeFileSync(plan, JSON.stringify({ root: ROOT, suites, concurrency: 2, deadlineMs, result, shared }));
  const inside = [
    'mkdir -p /run/netns && mount -t tmpfs -o mode=755 berth-test /run/netns',
    'mount -t tmpfs -o mode=1777 berth-test /dev/shm',
    // Not exec: this shell is the first process of the namespace and reaps.
    '"$@"; exit $?',
  ].join(' && ');
  const args = ['--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
  const runner = join(ROOT, 'programs/bootstrap/run-suites.mjs');
  try {
    const code = await new Promise((resolve, reject) => {
      const child = spawn('unshare', [...args, 'bash', '-c', inside, 'bash', node, runner, plan], { stdio: ['ignore', 'inherit', 'inherit'] });
      const timer = setTimeout(() => child.kill('SIGKILL'), Math.max(30_000, deadlineMs - Date.now() + 30_000));
      child.once('error', reject);
      child.once('exit', (exit, signal) => {
        clearTimeout(timer);
        resolve(exit ?? signal);
      });
    });
    try {
      return JSON.parse(readFileSync(result, 'utf8'));
    } catch {
      throw new Problem(`The suite runner ended with ${code} before it had a verdict.`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
