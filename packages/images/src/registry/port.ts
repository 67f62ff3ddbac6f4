import type { Image, Progress } from '../port.ts';
import type { Credentials } from './credentials.ts';

interface Asked {
  /** Absent or empty: asked without. */
  readonly credentials?: Credentials;
  readonly signal?: AbortSignal;
}

export interface PullOptions extends Asked {
  /** All tags of the repository; `reference` has none then. */
  readonly all: boolean;
  /** `os[/architecture[/variant]]`; absent: this machine's. */
  readonly platform?: string;
  readonly progress: Progress;
}

export interface PushOptions extends Asked {
  /** Every tag of the repository there is; `reference` has none then. */
  readonly all: boolean;
  readonly progress: Progress;
}

/** What was pulled or pushed, as events speak of it. */
export interface Exchanged {
  /** `busybox:latest`; the name alone when it was all tags. */
  readonly reference: string;
  /** `busybox`. */
  readonly name: string;
  /** In the order of their tags. */
  readonly images: readonly Image[];
}

export interface Found {
  readonly name: string;
  readonly description: string;
  readonly isOfficial: boolean;
  readonly isAutomated: boolean;
  readonly starCount: number;
}

/** An image as a registry describes it. */
export interface Description {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platforms: readonly { readonly os: string; readonly architecture: string; readonly variant?: string; readonly 'os.version'?: string }[];
}

/**
 * Images exchanged with registries. Faults have dockerd's sentences where it has one: `remote-missing`,
 * `registry-unauthenticated`, `registry-unreachable`, `registry-forbidden`, `registry-refused`, `registry-answer-invalid`,
 * `redirect-refused`, `nothing-to-push`.
 */
export interface Registries {
  /** What the operator has set, for people to see. */
  readonly settings: { readonly mirrors: readonly string[]; readonly insecure: readonly string[] };
  /**
   * Progress lines as dockerd's. Whatever happens, an image is there whole or not at all; what had arrived is used by the
   * next attempt.
   */
  pull(reference: string, options: PullOptions): Promise<Exchanged>;
  push(reference: string, options: PushOptions): Promise<Exchanged>;
  /** Whether a registry takes these credentials. `server` as docker login gives it: a host, or the default index's URL. */
  logIn(server: string, credentials: Credentials, signal?: AbortSignal): Promise<void>;
  search(term: string, options: Asked & { readonly limit: number }): Promise<readonly Found[]>;
  describe(reference: string, options: Asked): Promise<Description>;
}
