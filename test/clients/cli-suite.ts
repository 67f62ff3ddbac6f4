import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { until } from '../oracle/index.ts';
import type { CliOptions, CliResult, DockerCli } from '../oracle/index.ts';
import type { Sides } from './sides.ts';
import type { Case, Step } from './case.ts';
import { cases } from './cases.ts';
import { normalise, words } from './words.ts';

/** The table of `cases.ts`, on both sides at once. */
export function cliSuite(sides: Sides): void {
  describe('the docker command on Berth and on dockerd', { timeout: 900_000 }, () => {
    for (const one of cases) {
      test(one.name, { timeout: 480_000 }, async (t) => {
        if (one.machine === true && sides.berth.kind === 'process') {
          t.skip('needs containers with a file system and a network of their own: set BERTH_SOCKET, or BERTH_CLIENTS=machine');
          return;
        }
        const findings = await compare(one, sides.oracle.docker, sides.berth.docker);
        assert.equal(findings.length, 0, `\n${findings.join('\n\n')}`);
      });
    }
  });
}

async function compare(one: Case, dockerd: DockerCli, berth: DockerCli): Promise<string[]> {
  const findings: string[] = [];
  const folders = [await mkdtemp(join(tmpdir(), 'bt-own-')), await mkdtemp(join(tmpdir(), 'bt-own-'))] as const;
  const [hers, own] = folders;
  try {
    for (const folder of folders) await one.prepare?.(folder);
    for (const given of one.steps) {
      const step: Step = typeof given === 'string' ? { run: given } : given;
      const options = { ...(step.input === undefined ? {} : { input: step.input }), timeoutMs: 60_000 };
      if (step.until !== undefined) {
        await Promise.all([dockerd, berth].map((docker) => repeat(docker, step.run, step.until ?? /^/)));
        continue;
      }
      const [theirs, ours] = await Promise.all([ask(dockerd, step.run, hers, options), ask(berth, step.run, own, options)]);
      if (step.quiet === true) {
        if (theirs.exitCode !== ours.exitCode) findings.push(report(step, theirs, ours, 'exit codes differ'));
        continue;
      }
      const finding = judge(step, theirs, ours);
      if (finding !== undefined) findings.push(report(step, theirs, ours, finding));
    }
  } finally {
    await Promise.all([sweep(dockerd), sweep(berth)]);
    for (const folder of folders) await rm(folder, { recursive: true });
  }
  return findings;
}

/** Runs a command with its own folder for `OWN`, and takes the folder's name out of the answer again. */
async function ask(docker: DockerCli, command: string, folder: string, options: CliOptions): Promise<CliResult> {
  const result = await docker.run(words(command.replaceAll('OWN', folder)), options);
  return { ...result, stdout: result.stdout.replaceAll(folder, 'OWN'), stderr: result.stderr.replaceAll(folder, 'OWN') };
}

/** What is wrong with a pair of answers; undefined when they are the same, or differ as the table says. */
function judge(step: Step, theirs: CliResult, ours: CliResult): string | undefined {
  const { differs } = step;
  const text = (result: CliResult, stream: 'stdout' | 'stderr') => normalise(result[stream]);
  const wrong: string[] = [];
  let needed = false;
  for (const stream of ['stdout', 'stderr'] as const) {
    const same = text(theirs, stream) === text(ours, stream);
    const wanted = differs?.[stream];
    if (wanted === undefined) {
      if (!same) wrong.push(`${stream} differs`);
    } else {
      needed ||= !same;
      if (!wanted.test(text(ours, stream))) wrong.push(`${stream} is not what the table says: ${wanted}`);
    }
  }
  if (differs?.exitCode === undefined) {
    if (theirs.exitCode !== ours.exitCode) wrong.push('exit codes differ');
  } else {
    needed ||= theirs.exitCode !== ours.exitCode;
    if (ours.exitCode !== differs.exitCode) wrong.push(`exit code is not what the table says: ${differs.exitCode}`);
  }
  if (differs !== undefined && !needed && wrong.length === 0 && differs.why.startsWith('not there')) wrong.push('the table says it differs, but it does not');
  return wrong.length === 0 ? undefined : wrong.join('; ');
}

function report(step: Step, theirs: CliResult, ours: CliResult, finding: string): string {
  const show = (result: CliResult) => `exit ${result.exitCode}\n${indent(result.stdout)}${indent(result.stderr, '! ')}`;
  return `docker ${step.run}\n${finding}\n--- dockerd: ${show(theirs)}\n--- Berth: ${show(ours)}`;
}

function indent(text: string, mark = '| '): string {
  return text.trimEnd() === '' ? '' : `${text.trimEnd().replaceAll(/^/gm, `    ${mark}`)}\n`;
}

async function repeat(docker: DockerCli, run: string, wanted: RegExp): Promise<void> {
  await until(`docker ${run}`, 40_000, async () => wanted.test(normalise((await docker.run(words(run))).stdout)));
}

/** Nothing of a case reaches the next one. */
async function sweep(docker: DockerCli): Promise<void> {
  const ids = (await docker.ok(['ps', '-aq'])).split('\n').filter(Boolean);
  if (ids.length > 0) await docker.ok(['rm', '-f', ...ids]);
  await docker.ok(['network', 'prune', '-f']);
  const volumes = (await docker.ok(['volume', 'ls', '-q'])).split('\n').filter(Boolean);
  if (volumes.length > 0) await docker.ok(['volume', 'rm', ...volumes]);
  const dangling = (await docker.ok(['images', '--format', '{{.Repository}}:{{.Tag}}'])).split('\n').filter((name) => name.startsWith('foo/'));
  if (dangling.length > 0) await docker.ok(['rmi', ...dangling]);
}
