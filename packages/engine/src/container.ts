import { join } from 'node:path';
import type { EndpointDefinition, PortPublication } from '@berth/network';
import type { ExitStatus, RunningContainer } from '@berth/runtime';
import type { Clock } from './clock.ts';
import type { Exec } from './exec.ts';
import type { HealthState } from './health-state.ts';
import { unlimitedLog } from './log/limits.ts';
import { LogFile } from './log/log-file.ts';
import { FilesInUse } from './files-in-use.ts';
import type { ContainerDefinition, ContainerState, Link } from './port.ts';
import { Serial } from './serial.ts';
import { Waits } from './waits.ts';

/** What a container has, or asks for, on one network. */
export interface EndpointSettings {
  readonly networkId: string;
  readonly aliases: readonly string[];
  readonly requestedIpv4?: string;
  readonly requestedIpv6?: string;
  readonly requestedMac?: string;
  readonly links?: readonly Link[];
  readonly gatewayPriority?: number;
  /** While it runs. */
  readonly endpoint?: EndpointDefinition;
  /** While it runs: `eth0`, …; absent without a link. */
  readonly nic?: string;
}

/** One run, from the moment its process exists. */
export interface Run {
  readonly number: number;
  readonly running: RunningContainer;
  /** Resolves when the exit has been dealt with: row committed, resources freed. */
  readonly ended: Promise<ExitStatus>;
  /** First client that attached to stdin has gone (StdinOnce). */
  stdinClosed: boolean;
}

/** Its newest file; older ones are beside it. All logs are in one folder: a start makes none, and most removals are one unlink. */
export function logPath(stateDirectory: string, id: string): string {
  return join(stateDirectory, 'logs', `${id}.log`);
}

/** What the engine keeps of how it looks after a container, beside its state. */
export interface Supervision {
  /** Somebody stopped or killed it: no policy restarts it. Until it is started again. */
  readonly stopRequested: boolean;
  /** What was waited before the latest restart; 0: none yet. */
  readonly backOffMs: number;
  readonly health?: HealthState;
}

export const unsupervised: Supervision = { stopRequested: false, backOffMs: 0 };

export const initialState: ContainerState = {
  phase: 'created',
  pid: 0,
  exitCode: 0,
  oomKilled: false,
  error: '',
  startedAtMs: 0,
  finishedAtMs: 0,
};

/**
 * A container in memory. What is also in its row (`definition` to `publications`) is changed only by whoever is in its
 * `serial`, after the row.
 */
export class Container {
  definition: ContainerDefinition;
  state: ContainerState = initialState;
  /** Number of the run that is, or was last; also counts starts that failed. */
  run = 0;
  restartCount = 0;
  supervision: Supervision = unsupervised;
  endpoints: readonly EndpointSettings[] = [];
  publications: readonly PortPublication[] = [];

  /** The run in progress. */
  current: Run | undefined;
  /** What has ended and whose machine stays until the removal: a step of a build. */
  lingering: RunningContainer | undefined;
  /** Aborts a start in progress. */
  starting: AbortController | undefined;
  /** What the latest probes found; committed when its status or its streak changes. */
  health: HealthState | undefined;
  /** Ends the probing. */
  watching: AbortController | undefined;
  /** Ends the wait for a restart. */
  restarting: AbortController | undefined;
  /** How many operations (a removal, a restart) keep an exit from removing it. */
  keep = 0;
  /** A removal was asked for and is under way. */
  removing = false;
  /** It has been removed. */
  gone = false;
  readonly serial = new Serial();
  readonly filesInUse = new FilesInUse();
  readonly waits = new Waits();
  readonly execs = new Map<string, Exec>();
  readonly log: LogFile;
  /** Resolved and replaced when a run begins or a start fails: stdin that came before the process waits for it. */
  begun = Promise.withResolvers<void>();

  constructor(definition: ContainerDefinition, stateDirectory: string, clock: Clock) {
    this.definition = definition;
    this.log = new LogFile(logPath(stateDirectory, definition.id), clock, definition.log ?? unlimitedLog);
  }

  renewBegun(): void {
    this.begun.resolve();
    this.begun = Promise.withResolvers<void>();
  }

  get id(): string {
    return this.definition.id;
  }

  get name(): string {
    return this.definition.name;
  }
}
