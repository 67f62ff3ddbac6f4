/**
 * A real dockerd as the second opinion for tests and benchmarks, the stock docker command aimed at any socket, and the
 * busybox image both sides are given.
 */
export { writeBusyboxImage } from './busybox-image.ts';
export { DockerCli, type CliOptions, type CliResult } from './docker-cli.ts';
export { NetNamespace } from './net-namespace.ts';
export { Oracle } from './oracle.ts';
export { until } from './until.ts';
