// Runs one test file inside the namespaces `run-suites.mjs` made for it, and says what it left behind in them. Argument: a
// JSON file with what to run; what came of it goes to its `result`.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { difference, inNamespaces } from './leftovers.mjs';

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const reporter = fileURLToPath(new URL('./event-lines.mjs', import.meta.url));
const own = new Set([1, process.pid]);
/** What is on its way out when the suite has ended gets this long. */
const GRACE_MS = 3_000;

const before = inNamespaces({ ignorePids: own, temporary: plan.folder });
const args = ['--disable-warning=ExperimentalWarning', '--test-reporter', reporter, '--test-reporter-destination', plan.events, join(plan.root, plan.file)];
const child = spawn(process.execPath, args, {
  cwd: plan.root,
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...process.env,
    TMPDIR: plan.folder,
    NODE_ENV: 'test',
    // Most of a short suite's time is Node reading TypeScript; what it read once it keeps.
    NODE_COMPILE_CACHE: join(plan.root, 'build/compile-cache'),
    BERTH_CLIENTS: 'machine',
    BERTH_GUEST_CACHE: join(plan.root, 'build/guest-cache'),
    PATH: `${join(plan.root, 'node_modules/.bin')}:${process.env.PATH}`,
  },
});
let late = false;
const timer = setTimeout(() => {
  late = true;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended at the same moment.
  }
}, plan.limitMs);
const code = await new Promise((resolve) => {
  child.once('exit', (exit, signal) => resolve(exit ?? signal));
  child.once('error', () => resolve('not started'));
});
clearTimeout(timer);
writeFileSync(plan.result, JSON.stringify({ code, late, left: await leftBehind(), cpuMs: processorMs() }));

async function leftBehind() {
  const end = Date.now() + GRACE_MS;
  for (;;) {
    const left = difference(before, inNamespaces({ ignorePids: own, temporary: plan.folder }));
    if (left.length === 0 || Date.now() > end) return left;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Processor time of all that has ended: waited for by this process and by the namespace's first, which reaps orphans. */
function processorMs() {
  return ['self', '1'].reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return sum + (Number(fields[13]) + Number(fields[14])) * 10;
  }, 0);
}
