/**
 * The Docker personality of one VCH: the Engine API, versions 1.24 to 1.50, over the `Engine` port. It translates and
 * keeps nothing of its own: what Docker's clients say becomes calls on the engine, what the engine tells becomes Docker's
 * JSON, streams, sentences and status codes.
 */
export type { Log } from './context.ts';
export { createDockerApi, type DockerApi, type DockerApiOptions } from './docker-api.ts';
export { configTable, hostConfigTable, type OptionRow } from './create/option-table.ts';
export { buildOptionTable, type BuildOptionRow } from './builds/options.ts';
export { absentTable, type AbsentRow } from './areas/absent.ts';
