import type { Engine } from '@berth/engine';
import type { FileTree, Image } from '@berth/images';
import type { CacheVolumes } from './cache-volumes.ts';
import type { BuildOutput, BuildRequest } from './port.ts';

/** What the steps of one build share. */
export interface World {
  readonly engine: Engine;
  readonly caches: CacheVolumes;
  readonly request: BuildRequest;
  readonly output: BuildOutput;
  readonly context: FileTree;
  /** Who keeps the images of this build until its end. */
  readonly owner: string;
  /** For secrets; made when needed, removed with the build. */
  readonly directory: string;
  readonly secrets: ReadonlyMap<string, Buffer>;
  readonly limits: BuildLimits;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  /** What `--from` names: a stage that is built, or an image, which is pulled when it isn't there. */
  readonly imageNamed: (from: string) => Promise<Image>;
}

/** What a build may make the host do. */
export interface BuildLimits {
  /** From its first to its last step. */
  readonly buildMs: number;
  /** Of a context, as it arrives and unpacked; of what ADD fetches. */
  readonly contextBytes: number;
}
