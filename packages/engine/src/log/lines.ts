import type { Piece } from './codec.ts';
import type { LogRecord } from '../port.ts';

/** As long as Docker lets a line grow before it breaks it. */
const LINE_BYTES = 16 << 10;
const NEWLINE = 10;

/**
 * Makes lines of pieces, for each stream by itself: a record ends after a newline, after 16 KiB, or where its run ends.
 * Its time is that of the piece that ended it.
 */
export class LineSplitter {
  readonly #open = { stdout: new OpenLine('stdout'), stderr: new OpenLine('stderr') };
  #run = 0;

  push(piece: Piece): LogRecord[] {
    const records: LogRecord[] = piece.run === this.#run ? [] : this.flush();
    this.#run = piece.run;
    this.#open[piece.stream].push(piece, records);
    return records;
  }

  /** What is left without a newline. */
  flush(): LogRecord[] {
    const records: LogRecord[] = [];
    this.#open.stdout.flush(records);
    this.#open.stderr.flush(records);
    return records.sort((a, b) => (a.timeNs < b.timeNs ? -1 : 1));
  }
}

class OpenLine {
  readonly #stream: 'stdout' | 'stderr';
  #parts: Buffer[] = [];
  #bytes = 0;
  #timeNs = 0n;

  constructor(stream: 'stdout' | 'stderr') {
    this.#stream = stream;
  }

  push(piece: Piece, records: LogRecord[]): void {
    let at = 0;
    while (at < piece.data.length) {
      const room = LINE_BYTES - this.#bytes;
      const newline = piece.data.indexOf(NEWLINE, at);
      const lineEnd = newline < 0 ? piece.data.length : newline + 1;
      // The newline itself may be the byte that no longer fits; then it is a record of its own, as in Docker.
      const end = Math.min(lineEnd, at + room);
      this.#parts.push(piece.data.subarray(at, end));
      this.#bytes += end - at;
      this.#timeNs = piece.timeNs;
      at = end;
      if (piece.data[end - 1] === NEWLINE || this.#bytes === LINE_BYTES) this.flush(records);
    }
  }

  flush(records: LogRecord[]): void {
    const [first] = this.#parts;
    if (first === undefined) return;
    records.push({ stream: this.#stream, timeNs: this.#timeNs, data: this.#parts.length === 1 ? first : Buffer.concat(this.#parts) });
    this.#parts = [];
    this.#bytes = 0;
  }
}
