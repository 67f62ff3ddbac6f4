/** A step's answer that is meant to differ, and why. Only the parts given are compared with these instead. */
export interface Difference {
  readonly why: string;
  /** What Berth says instead of what dockerd says; patterns of the normalised text. */
  readonly stdout?: RegExp;
  readonly stderr?: RegExp;
  readonly exitCode?: number;
}

export interface Step {
  /** Without the word `docker`. */
  readonly run: string;
  readonly input?: string;
  /** Not compared, only done (its answer is known to vary). */
  readonly quiet?: boolean;
  readonly differs?: Difference;
  /** Repeated, within 40 seconds, until its output is so on both sides; then not compared. */
  readonly until?: RegExp;
}

export interface Case {
  readonly name: string;
  /** Command of the compatibility table. */
  readonly command: string;
  /** Needs a file system, users or a network of the container's own. */
  readonly machine?: boolean;
  /** Fills the folder that `OWN` stands for; each daemon has one. */
  readonly prepare?: (folder: string) => Promise<void>;
  readonly steps: readonly (string | Step)[];
}

/** A step that is only done. */
export const quiet = (run: string): Step => ({ run, quiet: true });
/** A step whose answer is meant to differ. */
export const other = (run: string, why: string, answer: Omit<Difference, 'why'>): Step => ({ run, differs: { why, ...answer } });

export const newerWords = "dockerd 28's sentence; the one compared with is 20.10's";
