/** A whole Berth of one's own for tests and benchmarks, and a survey of all it has on the machine. */
export { Berth, type BerthOptions } from './berth.ts';
export type { DaemonFacts } from './daemon-process.ts';
export { instanceProcesses, survey, type FoundProcess, type Survey } from './survey.ts';
