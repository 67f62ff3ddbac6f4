import type { CreateContainerRequest } from '@berth/docker-wire';
import { parseSignal, requireSignal } from '@berth/docker-wire';
import type { ImageProcessDefaults } from '@berth/images';
import { posix } from 'node:path';
import { invalid } from '../faults.ts';

/** What a container runs: the request over the image's defaults, merged by Docker's rules. */
export interface ProcessConfig {
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly exposedPorts: readonly string[];
  readonly stopSignal: string;
  readonly stopSignalNumber: number;
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Faults with Docker's sentences: `no-command`, `cwd-invalid`, `env-invalid`, `signal-invalid`. */
export function mergeProcess(request: CreateContainerRequest, image: ImageProcessDefaults): ProcessConfig {
  let cmd = request.Cmd;
  let entrypoint: readonly string[] | undefined = request.Entrypoint;
  if ((entrypoint ?? []).length === 0) {
    if ((cmd ?? []).length === 0) cmd = image.Cmd === null || image.Cmd === undefined ? cmd : [...image.Cmd];
    if (entrypoint === undefined) entrypoint = image.Entrypoint ?? undefined;
  }
  // `--entrypoint ''` takes the image's away.
  if (entrypoint?.length === 1 && entrypoint[0] === '') entrypoint = undefined;
  const args = [...(entrypoint ?? []), ...(cmd ?? [])];
  if (args.length === 0) throw invalid('no-command', 'no command specified');

  const cwd = request.WorkingDir || image.WorkingDir || '';
  if (cwd !== '' && !cwd.startsWith('/')) {
    throw invalid('cwd-invalid', `the working directory '${cwd}' is invalid, it needs to be an absolute path`);
  }
  const stopSignal = request.StopSignal || image.StopSignal || '';
  return {
    entrypoint,
    cmd,
    args,
    env: mergeEnv(request.Env, image.Env ?? []),
    cwd: cwd === '' ? '' : posix.normalize(cwd).replace(/(.)\/$/, '$1'),
    user: request.User || image.User || '',
    labels: { ...image.Labels, ...request.Labels },
    exposedPorts: [...new Set([...Object.keys(request.ExposedPorts), ...Object.keys(image.ExposedPorts ?? {})])],
    stopSignal,
    stopSignalNumber: stopSignal === '' ? 15 : requireSignal(parseSignal(stopSignal)),
  };
}

/** The request's variables in their order, then those of the image it doesn't name. */
function mergeEnv(request: readonly string[], image: readonly string[]): string[] {
  for (const entry of request) {
    if (entry === '' || entry.startsWith('=')) throw invalid('env-invalid', `invalid environment variable: ${entry}`);
  }
  const named = new Set(request.map(variableName));
  return [...request, ...image.filter((entry) => !named.has(variableName(entry)))];
}

/**
 * The process's environment: PATH and TERM as Docker sets them, unless given. A name without `=` takes a variable away.
 */
export function processEnv(env: readonly string[], terminal: boolean): string[] {
  const named = new Set(env.map(variableName));
  const defaults = [defaultPath, ...(terminal ? ['TERM=xterm'] : [])].filter((entry) => !named.has(variableName(entry)));
  return [...defaults, ...env.filter((entry) => entry.includes('='))];
}

/** An exec has the container's environment, TERM when it has a terminal, and what was given with it. */
export function execEnv(container: { readonly env: readonly string[] }, given: readonly string[], terminal: boolean): string[] {
  const base = container.env.filter((entry) => terminal || !entry.startsWith('TERM='));
  const named = new Set(given.map(variableName));
  const term = terminal && ![...base, ...given].some((entry) => entry.startsWith('TERM=')) ? ['TERM=xterm'] : [];
  return [...base.filter((entry) => !named.has(variableName(entry))), ...term, ...given.filter((entry) => entry.includes('='))];
}

function variableName(entry: string): string {
  return entry.split('=', 1)[0] ?? entry;
}
