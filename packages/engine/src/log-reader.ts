import { decode, HEADER_BYTES, recordBytes } from './log-codec.ts';
import type { LogFile, PlacedPiece } from './log-file.ts';

const CHUNK = 256 << 10;

export interface ReadOptions {
  /** Where to begin: a record's position. */
  readonly from: number;
  /** Asked when everything written has been read: is there no more to wait for? */
  readonly done: () => boolean;
  readonly signal: AbortSignal;
}

/**
 * A log's pieces from a position on, in order, each exactly once; ends when `done` says so, or on abort. The caller
 * keeps the file retained until the iteration has ended.
 */
export async function* readPieces(log: LogFile, options: ReadOptions): AsyncGenerator<PlacedPiece, void> {
  const { signal } = options;
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  let position = options.from;
  try {
    while (!signal.aborted) {
      if (position >= log.end) {
        // Order matters: whoever ends a run writes first and says so later.
        const changed = log.changed();
        if (options.done()) return;
        await Promise.race([changed, aborted.promise]);
        continue;
      }
      const recent = log.recent(position);
      if (recent !== undefined) {
        position += HEADER_BYTES + recent.data.length;
        yield recent;
        continue;
      }
      let bytes = await log.read(position, CHUNK);
      const first = recordBytes(bytes, 0);
      if (first === undefined) return;
      if (first > bytes.length) bytes = await log.read(position, first);
      let at = 0;
      for (let piece = decode(bytes, at); piece !== undefined; piece = decode(bytes, at)) {
        const placed = { ...piece, position: position + at };
        at += HEADER_BYTES + piece.data.length;
        yield placed;
        if (signal.aborted) return;
      }
      if (at === 0) return;
      position += at;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
