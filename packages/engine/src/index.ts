/**
 * Containers, networks and their life: rows that say what is wanted, a state machine for each container, logs, events,
 * and the reconciliation of rows with what really runs. Knows images, networks and runtimes by their ports only.
 */
export type * from './port.ts';
export type { HealthCheck, HealthState, ProbeResult } from './health-state.ts';
export type { RestartPolicy } from './restart-policy.ts';
export type { LogSettings } from './log/limits.ts';
export { ContainerEngine } from './container-engine.ts';
export type { ContainerEngineOptions } from './engine-options.ts';
export type { EngineLimits, EngineLog } from './deps.ts';
export { systemClock, type Clock } from './clock.ts';
