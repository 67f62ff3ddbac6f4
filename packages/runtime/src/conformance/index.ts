/**
 * What every runtime must do, as tests. An adapter's own test file opens a `Subject` and calls `conformance`; the fake
 * passes the same suite, but for what it says it lacks.
 */
import { describe } from 'node:test';
import { adoptionTests } from './adoption.ts';
import { controlTests } from './control.ts';
import { execTests } from './exec.ts';
import { fileTests } from './files.ts';
import { filesystemTests } from './filesystem.ts';
import { inputTests } from './input.ts';
import { limitTests } from './limits.ts';
import { networkTests } from './network.ts';
import { outputTests } from './output.ts';
import { processTests } from './process.ts';
import { removalTests } from './removal.ts';
import { volumeTests } from './volumes.ts';
import { definer, type ConformanceOptions } from './subject.ts';

export type { Ability } from './abilities.ts';
export { Recorder } from './recorder.ts';
export { Trial, type ConformanceOptions, type Subject } from './subject.ts';

/** Defines the suite. `subject` is asked when a test runs, so it may be opened in a `before` hook. */
export function conformance(options: ConformanceOptions): void {
  const define = definer(options);
  describe(`${options.name}: a container's process`, () => processTests(define));
  describe(`${options.name}: output`, () => outputTests(define));
  describe(`${options.name}: input and terminals`, () => inputTests(define));
  describe(`${options.name}: signals, freezing, facts`, () => controlTests(define));
  describe(`${options.name}: exec`, () => execTests(define));
  describe(`${options.name}: files and mounts`, () => filesystemTests(define));
  describe(`${options.name}: the files of a container`, () => fileTests(define));
  describe(`${options.name}: volumes`, () => volumeTests(define));
  describe(`${options.name}: limits`, () => limitTests(define));
  describe(`${options.name}: networks`, () => networkTests(define));
  describe(`${options.name}: adoption`, () => adoptionTests(define));
  describe(`${options.name}: removal`, () => removalTests(define));
}
