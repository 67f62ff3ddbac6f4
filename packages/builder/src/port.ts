import type { NewContainer } from '@berth/engine';
import type { Credentials, Image } from '@berth/images';

/** What is built from: an archive (or a Dockerfile's text) that comes in or is fetched. */
export type ContextSource = { readonly stream: AsyncIterable<Buffer> } | { readonly url: string };

export interface BuildRequest {
  readonly context: ContextSource;
  /** Path in the context. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  /** Without a value: only an argument's default is taken. */
  readonly arguments: ReadonlyMap<string, string | undefined>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: string;
  readonly noCache: boolean;
  /** Base images are pulled although they are there. */
  readonly pull: boolean;
  readonly forceRemove: boolean;
  readonly platform?: string;
  /** Files of the context that no step sees but one that mounts them. */
  readonly secrets: readonly { readonly id: string; readonly path: string }[];
  readonly credentials: (reference: string) => Credentials | undefined;
  /** A step as the API's personality would create its container, with the limits and networks of the request. */
  readonly container: (step: StepProcess) => NewContainer;
}

export interface StepProcess {
  readonly image: Image;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: 'default' | 'none';
}

/** What a build says while it goes on. */
export interface BuildOutput {
  text(line: string): void;
  /** What a step wrote; waits for a client that is slow. */
  write(stream: 'stdout' | 'stderr', data: Buffer): Promise<void>;
  /** Progress of a pull, as it is. */
  message(message: Readonly<Record<string, unknown>>): void;
  /** The image a stage came to. */
  built(imageId: string): void;
}

export interface BuildCache {
  readonly id: string;
  readonly volume: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly inUse: boolean;
}

export interface Builder extends AsyncDisposable {
  /**
   * Builds and tags; gives the image. Whatever happens, and when `signal` aborts, no container, lease or half image is left.
   * Faults: `dockerfile-invalid`, `build-failed` (with what dockerd says), `step-failed` (`StepFailed`), `build-cancelled`,
   * those of images and containers.
   */
  build(request: BuildRequest, output: BuildOutput, signal: AbortSignal): Promise<Image>;
  caches(): Promise<readonly BuildCache[]>;
  /** Removes what no step uses at the moment. */
  prune(matches: (cache: BuildCache) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }>;
}
