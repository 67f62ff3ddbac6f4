import { fstatSync, ftruncateSync, readSync } from 'node:fs';
import { decode, HEADER_BYTES, recordBytes, type Piece } from './log-codec.ts';

const BLOCK = 1 << 20;

/**
 * Finds where a log's last whole record ends and cuts off what a crash left behind it. Walks the headers from the start
 * and checks every record, so that what readers get later is known to be sound.
 */
export function recoverLog(fd: number): { readonly end: number; readonly last: (Omit<Piece, 'data'> & { readonly bytes: number }) | undefined } {
  const size = fstatSync(fd).size;
  let end = 0;
  let last: (Omit<Piece, 'data'> & { bytes: number }) | undefined;
  let block = Buffer.alloc(Math.min(BLOCK, size));
  while (end < size) {
    const read = readSync(fd, block, 0, block.length, end);
    const bytes = block.subarray(0, read);
    let at = 0;
    for (let piece = decode(bytes, at); piece !== undefined; piece = decode(bytes, at)) {
      at += HEADER_BYTES + piece.data.length;
      last = { stream: piece.stream, timeNs: piece.timeNs, run: piece.run, offset: piece.offset, bytes: piece.data.length };
    }
    end += at;
    if (at > 0) continue;
    // A record longer than the block, or the torn end.
    const wanted = recordBytes(bytes, 0);
    if (wanted === undefined || wanted <= bytes.length || end + wanted > size) break;
    block = Buffer.alloc(wanted);
  }
  if (end < size) ftruncateSync(fd, end);
  return { end, last };
}
