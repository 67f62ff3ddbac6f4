import type { Images } from '@berth/images';
import type { Networking } from '@berth/network';
import type { Runtime } from '@berth/runtime';
import type { Clock } from './clock.ts';
import type { Container } from './container.ts';
import type { Events } from './events.ts';
import { runtimeUnknown } from './faults.ts';
import type { Lanes } from './lanes.ts';
import type { NetworkTable } from './network-table.ts';
import type { Registry } from './registry.ts';
import type { Rows } from './rows.ts';
import type { Volumes } from './volumes/volumes.ts';

/** What the engine says to the operator; pino's loggers fit. */
export interface EngineLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How long the engine waits for others, milliseconds. */
export interface EngineLimits {
  /** What a machine may have to be made for: an exec, taking up a container, reaching its files. */
  readonly startMs: number;
  /** Any other call to a runtime. */
  readonly callMs: number;
  /** From SIGKILL to the exit, before the VM itself is ended. */
  readonly killMs: number;
}

export const defaultLimits: EngineLimits = { startMs: 180_000, callMs: 30_000, killMs: 10_000 };

/** Where this engine is served to Docker's clients, and from when on. */
export interface Endpoint {
  readonly path: string;
  readonly served: Promise<void>;
}

/** What the operations share. */
export interface Deps {
  readonly rows: Rows;
  readonly registry: Registry;
  readonly networks: NetworkTable;
  readonly volumes: Volumes;
  readonly images: Images;
  readonly networking: Networking;
  readonly runtimes: ReadonlyMap<string, Runtime>;
  readonly defaultRuntime: string;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly limits: EngineLimits;
  readonly stateDirectory: string;
  readonly endpoint: Endpoint | undefined;
  /** Restarts by policy go through here: a fleet of them must not take the machine from those who wait for an answer. */
  readonly restarts: Lanes;
  /** Starts a container, whose row says that it is `restarting`, after a while. Here because starts and exits lead to each other. */
  readonly restartLater: (container: Container, delayMs: number) => void;
  /** Aborted when the engine closes: what runs stays as it is, for the next one to adopt. */
  readonly closing: AbortSignal;
}

export function runtimeOf(deps: Deps, container: Container): Runtime {
  return runtimeNamed(deps, container.definition.runtime);
}

export function runtimeNamed(deps: Deps, name: string): Runtime {
  const runtime = deps.runtimes.get(name === '' ? deps.defaultRuntime : name);
  if (runtime === undefined) throw runtimeUnknown(name);
  return runtime;
}
