export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** For `on-failure`; 0: no limit. */
  readonly maximumRetries: number;
}

export const neverRestart: RestartPolicy = { name: 'no', maximumRetries: 0 };

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** A run this long was a success, whatever ended it. */
const SETTLED_MS = 10_000;

/** What the rules look at. */
export interface Ended {
  readonly exitCode: number;
  readonly restartCount: number;
  /** Somebody stopped or killed it. */
  readonly stopRequested: boolean;
}

/** How long to wait before the next run, after `beforeMs` (0: not yet) and a run of `ranMs`. */
export function restartDelayMs(beforeMs: number, ranMs: number): number {
  return beforeMs === 0 || ranMs >= SETTLED_MS ? FIRST_DELAY_MS : Math.min(beforeMs * 2, LONGEST_DELAY_MS);
}

/** Does a run that ended lead to another one? */
export function restartsAfterExit(policy: RestartPolicy, ended: Ended): boolean {
  if (ended.stopRequested) return false;
  return policy.name === 'on-failure' ? hasFailed(policy, ended) : policy.name !== 'no';
}

/** Does a container that is found ended start with the daemon? `always` means what it says: also one that was stopped. */
export function startsWithDaemon(policy: RestartPolicy, ended: Ended): boolean {
  return policy.name === 'always' || restartsAfterExit(policy, ended);
}

function hasFailed({ maximumRetries }: RestartPolicy, { exitCode, restartCount }: Ended): boolean {
  return exitCode !== 0 && (maximumRetries === 0 || restartCount < maximumRetries);
}
