import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { difference, ofTheMachine } from './leftovers.mjs';
import { ROOT } from './options.mjs';
import { duration } from './progress.mjs';

/** As many suites at a time as this: what boots machines and daemons leaves a quarter of two processors idle; three would be too many for their limits in time. */
const AT_A_TIME = 2;

const inside = fileURLToPath(new URL('./one-suite.mjs', import.meta.url));

/**
 * Runs test files, each in a process of its own with a limit in time, where everything it mounts and every process it
 * starts is visible to its runner and to nobody else, and goes away with it whatever happens: a mount and a process
 * namespace, with their own /dev/shm and /run/netns. Tells what came of each, and what it left behind.
 * @param {{ node: string, suites: ReturnType<typeof import('./suites.mjs').allSuites>, deadlineMs: number, progress: ReturnType<typeof import('./progress.mjs').createProgress> }} options
 */
export async function runSuites({ node, suites, deadlineMs, progress }) {
  // Short, because paths of unix sockets must stay below 108 bytes.
  const temporary = mkdtempSync('/tmp/bt-');
  const verdict = { totals: { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 }, failures: [], durationMs: 0 };
  const begun = Date.now();
  const before = ofTheMachine();
  const queue = suites.filter((suite) => !suite.alone);
  const worker = async () => {
    for (let suite = queue.shift(); suite !== undefined; suite = queue.shift()) {
      const folder = join(temporary, String(suites.indexOf(suite)));
      const result = await runOne(node, suite, folder, deadlineMs);
      count(verdict, result);
      tell(progress, result);
      rmSync(folder, { recursive: true, force: true });
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    queue.push(...suites.filter((suite) => suite.alone));
    await worker();
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  const left = await leftOnTheMachine(before);
  if (left.length > 0) {
    progress.line(`✖ the suites left behind:\n${left.map((line) => `    ${line}`).join('\n')}`);
    verdict.totals.failed += 1;
    verdict.totals.tests += 1;
  }
  return { ...verdict, durationMs: Date.now() - begun };
}

async function runOne(node, suite, folder, deadlineMs) {
  const started = Date.now();
  const limitMs = Math.min(suite.limitS * 1000, deadlineMs - Date.now());
  if (limitMs <= 0) return { suite, ms: 0, cpuMs: 0, skips: [], figures: [], left: [], output: '', problems: ['was not run: the time for all suites was up'] };
  const own = join(folder, 't');
  mkdirSync(own, { recursive: true });
  const events = join(folder, 'events');
  const result = join(folder, 'result.json');
  const plan = join(folder, 'plan.json');
  writeFileSync(plan, JSON.stringify({ root: ROOT, file: suite.file, limitMs, folder: own, events, result }));
  const { code, output } = await inNamespaces([node, inside, plan], limitMs + 30_000);
  const ended = readJson(result) ?? { code, late: code === 'late', left: [], cpuMs: 0 };
  const { problems, skips, figures, counts } = read(events);
  if (ended.late) problems.push(`did not end within ${duration(limitMs)}`);
  else if (counts === undefined || (ended.code !== 0 && problems.length === 0)) problems.push(`ended with ${ended.code} without a verdict`);
  return { suite, ms: Date.now() - started, cpuMs: ended.cpuMs, counts, problems, skips, figures, left: ended.left, output, crashed: counts === undefined };
}

/** Runs a command as the second process of fresh namespaces; the first is a shell, because somebody has to reap what is orphaned. */
function inNamespaces(command, limitMs) {
  const prepare = [
    'mkdir -p /run/netns && mount -t tmpfs -o mode=755 berth-test /run/netns',
    'mount -t tmpfs -o mode=1777 berth-test /dev/shm',
    // Not exec: this shell is the first process of the namespace and reaps.
    '"$@"; exit $?',
  ].join(' && ');
  const args = ['--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL', 'bash', '-c', prepare, 'bash', ...command];
  return new Promise((resolve) => {
    const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let late = false;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output = (output + chunk).slice(-60_000)));
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limitMs);
    child.once('error', (error) => resolve({ code: error.message, output }));
    child.once('close', (exit, signal) => {
      clearTimeout(timer);
      resolve({ code: late ? 'late' : (exit ?? signal), output });
    });
  });
}

function read(path) {
  const found = { problems: [], skips: [], figures: [], counts: undefined };
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // It ended before it wrote anything.
  }
  for (const line of text.split('\n').filter(Boolean)) {
    const event = JSON.parse(line);
    if (event.type === 'test:summary') found.counts = event.counts;
    else if (event.type === 'skip') found.skips.push(event);
    else if (event.type === 'figure') found.figures.push(event.message);
    else if (!event.todo && !event.suite)
      found.problems.push(`${event.name}${event.place ? `  (${event.place.replace(`${ROOT}/`, '')})` : ''}\n${event.message}`);
  }
  return found;
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function count({ totals, failures }, { suite, counts, problems, left }) {
  if (counts !== undefined) for (const key of Object.keys(totals)) totals[key] += counts[key] ?? 0;
  // A file that ends without a verdict is one test that failed, and so is one that leaves something.
  const more = (problems.length > 0 && (counts?.failed ?? 0) + (counts?.cancelled ?? 0) === 0 ? 1 : 0) + (left.length > 0 ? 1 : 0);
  totals.failed += more;
  totals.tests += more;
  if (problems.length > 0 || left.length > 0) failures.push(suite.file);
}

function tell(progress, { suite, ms, cpuMs, counts, problems, skips, figures, left, output }) {
  const bad = problems.length > 0 || left.length > 0;
  const passed = counts === undefined ? '' : `${counts.passed} passed${counts.skipped ? `, ${counts.skipped} skipped` : ''}`;
  progress.line(`${bad ? '✖' : '✔'} ${suite.file.padEnd(58)} ${duration(ms).padStart(12)} ${`(${duration(cpuMs)} of processor)`.padStart(27)}  ${passed}`);
  for (const skip of skips) progress.line(`    skipped: ${skip.name} — ${skip.reason === 'true' ? 'no reason given' : skip.reason}`);
  if (suite.tells) for (const figure of figures) progress.line(`    ${figure}`);
  for (const problem of problems) progress.line(problem.replace(/^/gm, '    '));
  if (left.length > 0) progress.line(`    left behind:\n${left.map((line) => `      ${line}`).join('\n')}`);
  if (problems.length > 0 && output.trim() !== '')
    progress.line(`    its output:\n${output.trim().split('\n').slice(-30).join('\n').replace(/^/gm, '      | ')}`);
}

/** Links, rules and control groups are the machine's, so they are looked at once, after all suites. */
async function leftOnTheMachine(before) {
  const end = Date.now() + 3_000;
  const shared = process.env.BERTH_SHARED_MACHINE === '1';
  for (;;) {
    const left = difference(before, ofTheMachine()).filter((line) => !line.startsWith('cgroup') || !shared);
    if (left.length === 0 || Date.now() > end) return left;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
