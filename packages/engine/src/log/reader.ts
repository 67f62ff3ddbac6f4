import { logRotatedAway } from '../faults.ts';
import { decode, HEADER_BYTES, recordBytes } from './codec.ts';
import type { LogCursor } from './cursor.ts';
import type { PlacedPiece } from './recent.ts';

const CHUNK = 256 << 10;

export interface ReadOptions {
  /** Asked when everything written has been read: is there no more to wait for? */
  readonly done: () => boolean;
  readonly signal: AbortSignal;
}

/**
 * A log's pieces from a cursor on, in order, each exactly once; ends when `done` says so, or on abort. The cursor is the
 * caller's to close. Fault `log-rotated` for a reader so slow that what it would read next is gone.
 */
export async function* readPieces(cursor: LogCursor, options: ReadOptions): AsyncGenerator<PlacedPiece, void> {
  const { log } = cursor;
  const { signal } = options;
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      const { position } = cursor;
      if (position >= log.end) {
        // Order matters: whoever ends a run writes first and says so later.
        const changed = log.changed();
        if (options.done()) return;
        await Promise.race([changed, aborted.promise]);
        continue;
      }
      const recent = log.recent(position);
      if (recent !== undefined) {
        cursor.moveTo(position + HEADER_BYTES + recent.data.length);
        if (recent.stream !== 'mark') yield recent;
        continue;
      }
      let bytes = await log.read(position, CHUNK);
      if (bytes === undefined) throw logRotatedAway();
      const first = recordBytes(bytes, 0);
      if (first === undefined) return;
      if (first > bytes.length) bytes = (await log.read(position, first)) ?? bytes;
      let at = 0;
      for (let record = decode(bytes, at); record !== undefined; record = decode(bytes, at)) {
        const from = position + at;
        at += HEADER_BYTES + record.data.length;
        cursor.moveTo(position + at);
        if (record.stream !== 'mark') yield { ...record, stream: record.stream, position: from };
        if (signal.aborted) return;
      }
      if (at === 0) return;
      log.tidy();
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
