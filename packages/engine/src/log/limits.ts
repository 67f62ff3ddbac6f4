/** How much of a container's log is kept, and how it is read. */
export interface LogSettings {
  /** As users name it; `none` cannot be read. */
  readonly driver: string;
  /** Size of one file; absent: no limit. */
  readonly maxBytes?: number;
  /** So many files, together. */
  readonly maxFiles: number;
  /** Keep all but the newest file compressed. */
  readonly compress: boolean;
}

export const unlimitedLog: LogSettings = { driver: 'json-file', maxFiles: 1, compress: false };

/** A file of a log grows to this even when nothing limits it, so that its end is found without reading its beginning. */
const SEGMENT_BYTES = 4 << 20;
/** Without a log its output still goes through one: as long as clients need it that are attached. */
const SPOOL_BYTES = 256 << 10;

export interface LogBounds {
  readonly segmentBytes: number;
  readonly totalBytes: number;
  readonly compress: boolean;
}

export function boundsOf({ driver, maxBytes, maxFiles, compress }: LogSettings): LogBounds {
  if (driver === 'none') return { segmentBytes: SPOOL_BYTES, totalBytes: 2 * SPOOL_BYTES, compress: false };
  if (maxBytes === undefined) return { segmentBytes: SEGMENT_BYTES, totalBytes: Infinity, compress };
  return { segmentBytes: Math.min(maxBytes, SEGMENT_BYTES), totalBytes: maxBytes * maxFiles, compress };
}
