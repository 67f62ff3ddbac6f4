/** What is run inside a container to find out how it is, and how often. */
export interface HealthCheck {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures this early count only against nothing; and the interval is `startIntervalMs` until the first success. */
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

export interface ProbeResult {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** -1: it could not be run, or took too long. */
  readonly exitCode: number;
  readonly output: string;
}

export interface HealthState {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  readonly failingStreak: number;
  /** The last results, oldest first. */
  readonly log: readonly ProbeResult[];
}

const REMEMBERED = 5;

/** At the begin of a run; what was found in earlier ones stays to be read. */
export function startingHealth(before: HealthState | undefined): HealthState {
  return { status: 'starting', failingStreak: 0, log: before?.log ?? [] };
}

/** Nobody looks any more. Docker calls that unhealthy, and people's scripts know it. */
export function unwatchedHealth(health: HealthState): HealthState {
  return { ...health, status: 'unhealthy' };
}

export function afterProbe(health: HealthState, result: ProbeResult, check: HealthCheck, runStartedAtMs: number): HealthState {
  const log = [...health.log, result].slice(-REMEMBERED);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  const isExcused = health.status === 'starting' && result.startedAtMs - runStartedAtMs < check.startPeriodMs;
  const failingStreak = health.failingStreak + (isExcused ? 0 : 1);
  return { status: failingStreak >= check.retries ? 'unhealthy' : health.status, failingStreak, log };
}

/** How long until the next probe. */
export function probeDelayMs({ status }: HealthState, check: HealthCheck, runAgeMs: number): number {
  return status === 'starting' && runAgeMs < check.startPeriodMs ? check.startIntervalMs : check.intervalMs;
}
