import type { Builder } from '@berth/builder';
import type { Engine } from '@berth/engine';
import type { LogDefaults } from './create/logging.ts';

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
  readonly builder: Builder;
  readonly log: Log;
  readonly version: string;
  readonly commit: string;
  readonly logDefaults: LogDefaults;
  /** Aborted when the endpoint closes: streams that have no end of their own stop then. */
  readonly closing: AbortSignal;
}
