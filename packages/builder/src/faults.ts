/** The catalogue: every Fault of this package is born here. Sentences are dockerd's where it has one. */
import { Fault } from '@berth/kit';

/** A command of the Dockerfile ended with something else than 0. */
export class StepFailed extends Fault {
  readonly exitCode: number;

  constructor(args: readonly string[], exitCode: number, why = '') {
    super('invalid', 'step-failed', `The command '${args.join(' ')}' returned a non-zero code: ${exitCode}${why === '' ? '' : `: ${why}`}`);
    this.exitCode = exitCode;
  }
}

export const buildFailed = (sentence: string) => new Fault('invalid', 'build-failed', sentence);

export const copyFailed = (name: string, sentence: string) => buildFailed(`${name} failed: ${sentence}`);

export const notInContext = (name: string, path: string) =>
  copyFailed(name, `file not found in build context or excluded by .dockerignore: stat ${path}: file does not exist`);

export const dockerfileMissing = (path: string) => buildFailed(`Cannot locate specified Dockerfile: ${path}`);

export const dockerfileEmpty = (path: string) => buildFailed(`the Dockerfile (${path}) cannot be empty`);

export const buildUnsupported = (sentence: string) => new Fault('unsupported', 'build-unsupported', sentence);

export const buildCancelled = () => new Fault('unavailable', 'build-cancelled', 'Build cancelled');

export const buildTooLong = (limitMs: number) =>
  new Fault('deadline', 'build-too-long', `the build was stopped: it took longer than ${Math.round(limitMs / 1000)} seconds`);

export const fetchFailed = (url: string, why: string) => buildFailed(`failed to GET ${url}: ${why}`);
