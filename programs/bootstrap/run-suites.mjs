// Runs test files, each in a process of its own with a limit in time, inside the namespaces `test.mjs` made, and says
// after each whether it left anything behind. Argument: a JSON file with what to run; the verdict goes to its `result`.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { difference, snapshot } from './leftovers.mjs';
import { createProgress, duration } from './progress.mjs';

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const reporter = fileURLToPath(new URL('./event-lines.mjs', import.meta.url));
const progress = createProgress();
const temporary = mkdtempSync('/tmp/bt-');
const own = new Set([1, process.pid]);
const totals = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 };
const failures = [];
const begun = Date.now();

/** One file, to its end or its limit. */
async function runFile(suite, index) {
  // Short, because paths of unix sockets must stay below 108 bytes.
  const folder = join(temporary, String(index));
  mkdirSync(folder);
  const events = join(temporary, `${index}.events`);
  const started = Date.now();
  const args = ['--disable-warning=ExperimentalWarning', '--test-reporter', reporter, '--test-reporter-destination', events, join(plan.root, suite.file)];
  const child = spawn(process.execPath, args, {
    cwd: plan.root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TMPDIR: folder,
      NODE_ENV: 'test',
      BERTH_CLIENTS: 'machine',
      BERTH_GUEST_CACHE: join(plan.root, 'build/guest-cache'),
      PATH: `${join(plan.root, 'node_modules/.bin')}:${process.env.PATH}`,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output = (output + chunk).slice(-60_000)));
  const limitMs = Math.min(suite.limitS * 1000, plan.deadlineMs - Date.now());
  let late = limitMs <= 0;
  const timer = setTimeout(
    () => {
      late = true;
      killGroup(child.pid);
    },
    Math.max(0, limitMs),
  );
  const code = await new Promise((resolve) => {
    child.once('exit', (exit, signal) => resolve(exit ?? signal));
    child.once('error', () => resolve('not started'));
  });
  clearTimeout(timer);
  const problems = [];
  const skips = [];
  let counts;
  for (const line of readLines(events)) {
    const event = JSON.parse(line);
    if (event.type === 'test:summary') counts = event.counts;
    else if (event.type === 'skip') skips.push(event);
    else if (!event.todo && !event.suite)
      problems.push(`${event.name}${event.place ? `  (${event.place.replace(`${plan.root}/`, '')})` : ''}\n${event.message}`);
  }
  const crashed = late || counts === undefined || (code !== 0 && problems.length === 0);
  if (crashed) {
    if (limitMs <= 0) problems.push('was not run: the time for all suites was up');
    else problems.push(late ? `did not end within ${duration(limitMs)}` : `ended with ${code} without a verdict`);
    totals.failed += 1;
    totals.tests += 1;
  }
  if (counts !== undefined) for (const key of Object.keys(totals)) totals[key] += counts[key] ?? 0;
  if (!crashed) rmSync(events, { force: true });
  return { suite, folder, problems, skips, counts, ms: Date.now() - started, output };
}

function readLines(path) {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended at the same moment.
  }
}

/** Ends what a suite left running, so that the next one starts from nothing. */
function endLeftProcesses(lines) {
  for (const line of lines) {
    const match = /^process (\d+) /.exec(line);
    if (!match) continue;
    try {
      process.kill(Number(match[1]), 'SIGKILL');
    } catch {
      // Gone by itself.
    }
  }
}

/** Processes that are on their way out get a moment; what is still there then is left behind. */
async function leftSince(before, folder) {
  const end = Date.now() + 3_000;
  for (;;) {
    const left = difference(before, snapshot({ ignorePids: own, temporary: folder })).filter((line) => !line.startsWith('cgroup') || !plan.shared);
    if (left.length === 0 || Date.now() > end) return left;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function tell(result, left) {
  const bad = result.problems.length > 0 || left.length > 0;
  const counts = result.counts === undefined ? '' : `${result.counts.passed} passed${result.counts.skipped ? `, ${result.counts.skipped} skipped` : ''}`;
  progress.line(`${bad ? '✖' : '✔'} ${result.suite.file.padEnd(58)} ${duration(result.ms).padStart(9)}  ${counts}`);
  for (const skip of result.skips) progress.line(`    skipped: ${skip.name} — ${skip.reason === 'true' ? 'no reason given' : skip.reason}`);
  if (!bad) return;
  for (const problem of result.problems) progress.line(problem.replace(/^/gm, '    '));
  if (left.length > 0) {
    progress.line(`    left behind:\n${left.map((line) => `      ${line}`).join('\n')}`);
    totals.failed += 1;
    totals.tests += 1;
  }
  if (result.problems.length > 0 && result.output.trim() !== '')
    progress.line(`    its output:\n${result.output.trim().split('\n').slice(-30).join('\n').replace(/^/gm, '      | ')}`);
  failures.push(result.suite.file);
}

const together = plan.suites.filter((suite) => suite.stage === 'together');
const alone = plan.suites.filter((suite) => suite.stage === 'alone');
let index = 0;

const before = snapshot({ ignorePids: own, temporary });
const queue = [...together];
const worker = async () => {
  for (let suite = queue.shift(); suite !== undefined; suite = queue.shift()) {
    const result = await runFile(suite, (index += 1));
    const left = readdirSync(result.folder).map((name) => `temporary file ${name}`);
    tell(result, left);
    rmSync(result.folder, { recursive: true, force: true });
  }
};
await Promise.all(Array.from({ length: plan.concurrency }, worker));
const leftTogether = together.length === 0 ? [] : (await leftSince(before, temporary)).filter((line) => !line.endsWith('.events'));
if (leftTogether.length > 0) {
  progress.line(`✖ one of the suites above left behind:\n${leftTogether.map((line) => `    ${line}`).join('\n')}`);
  totals.failed += 1;
  totals.tests += 1;
  endLeftProcesses(leftTogether);
}

for (const suite of alone) {
  index += 1;
  const clean = snapshot({ ignorePids: own, temporary: join(temporary, String(index)) });
  const result = await runFile(suite, index);
  const left = await leftSince(clean, result.folder);
  tell(result, left);
  endLeftProcesses(left);
  rmSync(result.folder, { recursive: true, force: true });
}
rmSync(temporary, { recursive: true, force: true });
writeFileSync(plan.result, JSON.stringify({ totals, failures, durationMs: Date.now() - begun }));
