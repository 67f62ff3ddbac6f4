import { closeSync, constants, ftruncateSync, openSync, read, writevSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { OutputSink } from '@berth/runtime';
import type { Clock } from './clock.ts';
import { encodeHeader, HEADER_BYTES, type Piece } from './log-codec.ts';
import { recoverLog } from './log-recovery.ts';

const readAt = promisify(read);
const RECENT_BYTES = 256 << 10;
const RECENT_PIECES = 64;
const FULL_DISK_TRIES = 40;
const FULL_DISK_PAUSE_MS = 250;

/** A piece and where its record begins in the file. */
export interface PlacedPiece extends Piece {
  readonly position: number;
}

/**
 * A container's log: everything its runs wrote, in the order in which it arrived, a record a piece. A write is in the
 * kernel's page cache when it returns, so it survives the daemon (not a loss of power). The last pieces are also kept in
 * memory for readers that keep up; all others read the file, so that no slow reader costs memory or holds up the container.
 */
export class LogFile {
  readonly path: string;
  readonly #clock: Clock;
  #fd: number | undefined;
  #holders = 0;
  #recovered = false;
  #run = 0;
  #position = 0;
  #recent: PlacedPiece[] = [];
  #recentBytes = 0;
  #wake = Promise.withResolvers<void>();
  /** Where the next record will begin. */
  end = 0;
  /** The last run that will write no more. */
  endedRun = 0;
  /** Bytes that a full disk cost, or that the runtime no longer had. */
  lostBytes = 0;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /** Opens the file while anyone holds it; each `retain` needs one `release`. Its folder exists. */
  retain(): void {
    if (this.#fd === undefined) {
      this.#fd = openSync(this.path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600);
      if (!this.#recovered) {
        const { end, last } = recoverLog(this.#fd);
        this.end = end;
        this.#run = last?.run ?? 0;
        this.#position = last === undefined ? 0 : last.offset + last.bytes;
        this.#recovered = true;
      }
    }
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0 || this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    this.#recent = [];
    this.#recentBytes = 0;
  }

  /** Where output of a run goes; only one run at a time, and only while the file is retained. */
  sink(run: number): OutputSink {
    if (this.#run !== run) {
      this.#run = run;
      this.#position = 0;
    }
    const log = this;
    return {
      get position() {
        return log.#position;
      },
      write: (stream, data, offset) => log.#write({ stream, timeNs: log.#clock.nowNs(), run, offset, data }),
    };
  }

  /** The run is over and its last byte written: readers that follow it come to their end. */
  endRun(run: number): void {
    this.endedRun = Math.max(this.endedRun, run);
    this.notify();
  }

  /** Resolves at the next change. */
  changed(): Promise<void> {
    return this.#wake.promise;
  }

  notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** The piece at a position, if it is still in memory. */
  recent(position: number): PlacedPiece | undefined {
    if (position < (this.#recent[0]?.position ?? Infinity)) return undefined;
    return this.#recent.findLast((piece) => piece.position === position);
  }

  /** Reads the file; less than `length` only at its end. */
  async read(position: number, length: number): Promise<Buffer> {
    if (this.#fd === undefined) return Buffer.alloc(0);
    const buffer = Buffer.allocUnsafe(Math.min(length, this.end - position));
    let got = 0;
    while (got < buffer.length) {
      const { bytesRead } = await readAt(this.#fd, buffer, got, buffer.length - got, position + got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return buffer.subarray(0, got);
  }

  #write(given: Piece): void | Promise<void> {
    // The runtime promises to go on exactly here. What it sends twice is written once; what it skips is told.
    const known = Math.max(0, this.#position - given.offset);
    if (known >= given.data.length) return;
    this.lostBytes += Math.max(0, given.offset - this.#position);
    const piece = known === 0 ? given : { ...given, offset: this.#position, data: given.data.subarray(known) };
    if (!this.#append(piece)) return this.#appendWhenThereIsRoom(piece);
  }

  async #appendWhenThereIsRoom(piece: Piece): Promise<void> {
    for (let attempt = 0; attempt < FULL_DISK_TRIES; attempt += 1) {
      await delay(FULL_DISK_PAUSE_MS);
      if (this.#append(piece)) return;
    }
    // Holding the container back any longer would keep it from ending, too.
    this.lostBytes += piece.data.length;
    this.#position = piece.offset + piece.data.length;
  }

  #append(piece: Piece): boolean {
    if (this.#fd === undefined) return false;
    const header = encodeHeader(piece);
    const wanted = HEADER_BYTES + piece.data.length;
    try {
      if (writevSync(this.#fd, [header, piece.data]) !== wanted) throw new Error('short write');
    } catch {
      ftruncateSync(this.#fd, this.end);
      return false;
    }
    this.#remember({ ...piece, position: this.end });
    this.end += wanted;
    this.#position = piece.offset + piece.data.length;
    this.notify();
    return true;
  }

  #remember(piece: PlacedPiece): void {
    this.#recent.push(piece);
    this.#recentBytes += piece.data.length;
    while (this.#recent.length > RECENT_PIECES || this.#recentBytes > RECENT_BYTES) {
      this.#recentBytes -= this.#recent.shift()?.data.length ?? 0;
    }
  }
}
