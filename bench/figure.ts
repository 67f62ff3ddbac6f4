import type { StartTrace } from '@berth/runtime-microvm';
import type { Side } from './side.ts';
import type { Summary } from './statistics.ts';

export interface BenchOptions {
  readonly quick: boolean;
  /** Samples per side; absent: what the figure thinks right. */
  readonly runs?: number;
  /** Options for the daemon's command line, such as `--pool-size 0`. */
  openBerth(extraArgs?: readonly string[]): Promise<BerthSide>;
  openDockerd(): Promise<Side>;
  /** `undefined` when podman isn't installed or cannot run here; why was said. */
  openPodman(): Promise<Side | undefined>;
  /** Tells how far the run is; one line. */
  say(line: string): void;
}

export interface BerthSide extends Side {
  readonly name: 'berth';
  /** Milliseconds from spawning the daemon to its first answer. */
  readonly readyMs: number;
  /** Stops the daemon, then starts it as a person would, with `npm start`; gives the milliseconds until that is done. */
  warmStart(): Promise<number>;
  /** Phases of the latest starts, newest last. */
  traces(): Promise<readonly StartTrace[]>;
}

export type Verdict = 'aim' | 'must' | 'missed' | 'not measured';

/** One row of the table. */
export interface FigureRow {
  readonly figure: string;
  readonly unit: string;
  /** What was compared with the bounds. NaN: not measured; the note says why. */
  readonly value: number;
  readonly must: Bound;
  readonly aim: Bound;
  /** The measurements behind the value, by side. */
  readonly samples: Readonly<Record<string, Summary>>;
  readonly note?: string;
}

export interface Bound {
  readonly at: 'most' | 'least';
  readonly value: number;
}

export interface Figure {
  readonly name: string;
  readonly title: string;
  run(options: BenchOptions): Promise<FigureRow[]>;
}

export const atMost = (value: number): Bound => ({ at: 'most', value });
export const atLeast = (value: number): Bound => ({ at: 'least', value });

export function meets(bound: Bound, value: number): boolean {
  return bound.at === 'most' ? value <= bound.value : value >= bound.value;
}

export function verdict(row: FigureRow): Verdict {
  if (Number.isNaN(row.value)) return 'not measured';
  if (meets(row.aim, row.value)) return 'aim';
  return meets(row.must, row.value) ? 'must' : 'missed';
}
