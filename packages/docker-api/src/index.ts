/**
 * The Docker personality of one VCH: the Engine API, versions 1.24 to 1.50, over the `Engine` port. It translates and
 * keeps nothing of its own: what Docker's clients say becomes calls on the engine, what the engine tells becomes Docker's
 * JSON, streams, sentences and status codes.
 */
export { createDockerApi, type DockerApi, type DockerApiOptions, type Log } from './docker-api.ts';
