import pino, { type Logger } from 'pino';
import { BoundedFile } from './bounded-file.ts';

/** The operator's log: JSON lines, at most two files of this size. */
const LIMIT_BYTES = 8 << 20;

export type { Logger };

/** `BERTH_LOG_LEVEL` chooses how much is said; default `info`. */
export function openLog(path: string): { log: Logger; close(): void } {
  const file = new BoundedFile(path, LIMIT_BYTES);
  const log = pino({ level: process.env['BERTH_LOG_LEVEL'] ?? 'info', base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, file);
  return { log, close: () => file.close() };
}
