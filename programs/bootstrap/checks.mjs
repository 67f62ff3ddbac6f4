import { join } from 'node:path';
import { ROOT } from './options.mjs';
import { Problem } from './problem.mjs';
import { tool } from './tool.mjs';

/** What needs no running machine: the same for `npm run check` and `npm test`. */
const CHECKS = [
  { name: 'format', command: 'biome', args: ['format', '--max-diagnostics=20'], fix: ['format', '--write'] },
  { name: 'lint', command: 'oxlint', args: ['--quiet'], fix: ['--fix'] },
  { name: 'types', command: 'tsc', args: ['-p', '.'] },
];

/** Runs every check, tells each, and gives the names of those that failed. */
export async function runChecks(progress, { fix = false } = {}) {
  const failed = [];
  for (const check of CHECKS) {
    try {
      await progress.step(check.name, async () => {
        const binary = join(ROOT, 'node_modules/.bin', check.command);
        if (fix && check.fix) await tool(binary, check.fix, { cwd: ROOT });
        const result = await tool(binary, check.args, { cwd: ROOT, timeoutMs: 180_000 });
        if (result.code !== 0) throw new Problem(`${check.name} failed`, [], { detail: result.output });
        return '';
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      failed.push(check.name);
      progress.line(error.detail.trim().split('\n').slice(0, 120).join('\n').replace(/^/gm, '    '));
    }
  }
  return failed;
}
