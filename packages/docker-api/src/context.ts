import type { Engine } from '@berth/engine';

/** The part of a pino logger this package uses; a pino logger fits as it is. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What every area of the API receives. */
export interface Context {
  readonly engine: Engine;
  readonly log: Log;
  readonly version: string;
  readonly commit: string;
  /** Aborted when the endpoint closes: streams that have no end of their own stop then. */
  readonly closing: AbortSignal;
}
