import type { Engine } from '@berth/engine';

/** The part of a pino logger this package uses; a pino logger fits as it is. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface DockerApiOptions {
  readonly engine: Engine;
  readonly log: Log;
  /** Berth's own version, e.g. `0.1.0`. */
  readonly version: string;
  /** Git commit for `docker version`; `unknown` when absent. */
  readonly commit?: string;
}

/** One Docker endpoint: the Engine API of one VCH. Constructing does nothing; `listen` acquires. */
export interface DockerApi extends AsyncDisposable {
  /**
   * Serves on a unix socket: made with the given mode (default 0660), replacing a stale socket file. Rejects when another
   * process is listening there.
   */
  listen(socketPath: string, options?: { mode?: number; gid?: number }): Promise<void>;
  /** Stops accepting, ends open streams within 2 seconds, removes the socket file. Idempotent. */
  close(): Promise<void>;
}

export function createDockerApi(_options: DockerApiOptions): DockerApi {
  throw new Error('not built yet');
}
