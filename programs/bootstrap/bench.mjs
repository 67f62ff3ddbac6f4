import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { BENCH_PACKAGES, OPTIONAL_BENCH_PACKAGES, START_PACKAGES, namesFor } from './apt-packages.mjs';
import { hasCommand, installPackages, missingPackages } from './apt.mjs';
import { checkMachine } from './machine.mjs';
import { ROOT } from './options.mjs';
import { compileDaemon, prepareGuest, prepareModules, prepareSystem } from './prepare.mjs';
import { Problem } from './problem.mjs';
import { createProgress } from './progress.mjs';

/** Prepares both sides of the comparison and hands over to bench/main.ts with the options given. */
export async function bench(options) {
  const progress = createProgress();
  const system = checkMachine();
  await prepareSystem(progress, system, [...START_PACKAGES, ...BENCH_PACKAGES]);
  await progress.step('podman', async (say) => {
    if (hasCommand('podman')) return 'measured as well';
    try {
      await installPackages(await missingPackages(namesFor(OPTIONAL_BENCH_PACKAGES, system)), say);
      return 'installed';
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return `left out: ${error.message}`;
    }
  });
  const node = await prepareModules(progress);
  await prepareGuest(progress, node);
  await compileDaemon(node, () => undefined);
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(ROOT, 'bench/main.ts'), ...options.rest], { cwd: ROOT, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
    // Ctrl-C reaches the benchmark as well, which ends what it started; this process waits for it.
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
  });
}
