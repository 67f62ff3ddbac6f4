import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { RuntimeFacts } from '@berth/runtime';

/** What a running daemon says about itself in `<run>/berthd.json`: for `npm run status`, and for whoever waits for it. */
export interface DaemonFacts {
  readonly phase: 'starting' | 'ready' | 'stopping';
  readonly pid: number;
  /** Start time of the process in clock ticks since boot: tells this process from a later one with the same id. */
  readonly startTicks: number;
  readonly startedAtMs: number;
  readonly version: string;
  readonly commit: string;
  readonly socket: string;
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly prefix: string;
  readonly acceleration: RuntimeFacts['acceleration'];
  readonly verdict: string;
  readonly warnings: readonly string[];
}

export class FactsFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Atomic: a reader sees the old or the new, never a half. */
  write(facts: DaemonFacts): void {
    writeFileSync(`${this.#path}.new`, `${JSON.stringify(facts)}\n`, { mode: 0o644 });
    renameSync(`${this.#path}.new`, this.#path);
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

/** proc(5), field 22 of stat. */
export function ownStartTicks(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}
