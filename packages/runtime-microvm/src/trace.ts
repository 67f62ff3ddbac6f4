/** The phases of one start, for `bench -- --trace`. */
export interface StartTrace {
  readonly id: string;
  /** `pool`: a child was waiting; `clone`: one was made on demand; `session`: one served the container's files. */
  readonly source: 'pool' | 'clone' | 'session';
  /** Milliseconds since `start` was called, in order: when the phase was over. */
  readonly phases: readonly { readonly phase: string; readonly atMs: number }[];
}
