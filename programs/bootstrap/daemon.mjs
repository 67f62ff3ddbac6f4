import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { berthdArguments } from './berthd-command.mjs';
import { answers } from './docker-endpoint.mjs';
import { places, processStartTicks, runningDaemon } from './instance.mjs';
import { ensureDirectory } from './machine.mjs';
import { GUEST_DIRECTORY } from './prepare.mjs';
import { Problem } from './problem.mjs';

/** The daemon may boot a template under emulation before it is ready, and find out first that KVM does not work. */
const READY_LIMIT_MS = 240_000;

/**
 * Starts berthd in a session of its own, so that neither a closed terminal nor Ctrl-C ends it by surprise, and resolves
 * with what it says about itself when it is ready. Its progress comes as JSON lines over descriptor 3.
 */
export async function startDaemon(options, node, say) {
  const { socket } = places(options);
  ensureDirectory(options.stateDir, 0o711);
  ensureDirectory(options.runDir, 0o711);
  if (existsSync(socket) && (await answers(socket))) {
    throw new Problem(`Another program answers on ${socket}.`, [
      'Stop it, or choose another directory: npm start -- --run-dir /run/other --prefix other --state-dir /var/lib/other',
    ]);
  }
  const outputPath = join(options.stateDir, 'berthd.out');
  const output = openSync(outputPath, 'w');
  const place = { stateDirectory: options.stateDir, runDirectory: options.runDir, prefix: options.prefix, guestDirectory: GUEST_DIRECTORY };
  const args = [...berthdArguments(place), ...options.rest];
  const child = spawn(node, args, { cwd: '/', detached: true, stdio: ['ignore', output, output, 'pipe'] });
  closeSync(output);
  try {
    return await ready(child, say, () => readFileSync(outputPath, 'utf8'));
  } catch (error) {
    if (child.exitCode === null) child.kill('SIGTERM');
    throw error;
  }
}

function ready(child, say, printed) {
  return new Promise((resolve, reject) => {
    let rest = '';
    let failed;
    const timer = setTimeout(() => reject(new Problem(`berthd was not ready after ${READY_LIMIT_MS / 1000} s.`, [], { detail: printed() })), READY_LIMIT_MS);
    const settle = (action, value) => {
      clearTimeout(timer);
      child.stdio[3].removeAllListeners();
      child.stdio[3].on('error', () => undefined);
      child.stdio[3].destroy();
      child.removeAllListeners('exit');
      child.unref();
      action(value);
    };
    child.stdio[3].on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = JSON.parse(line);
        if (message.doing) say(message.doing);
        if (message.failed) failed = message.failed;
        if (message.ready) settle(resolve, { child, facts: message.ready });
      }
    });
    child.once('error', (error) => settle(reject, new Problem(`berthd could not be started: ${error.message}.`)));
    child.once('exit', (code, signal) => {
      const problem = failed
        ? new Problem(failed.message, failed.advice ?? [], { detail: failed.detail })
        : new Problem(`berthd ended before it was ready (${signal ?? `exit code ${code}`}).`, [], { detail: printed() });
      settle(reject, problem);
    });
  });
}

/** Ends the daemon (not its containers) and waits until it is gone. */
export async function stopDaemon(options, facts, limitMs = 30_000) {
  try {
    process.kill(facts.pid, 'SIGTERM');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
  const gone = () => processStartTicks(facts.pid) !== facts.startTicks;
  if (!(await until(gone, limitMs))) {
    throw new Problem(`berthd (pid ${facts.pid}) did not end within ${limitMs / 1000} s.`, [
      `See ${places(options).log}; kill -9 ${facts.pid} is safe: containers are taken up again by the next start.`,
    ]);
  }
  rmSync(places(options).facts, { force: true });
}

/** Polls a cheap condition; true as soon as it holds, false after the limit. */
export async function until(condition, limitMs) {
  const end = Date.now() + limitMs;
  for (;;) {
    if (await condition()) return true;
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export { runningDaemon };
