import { constants, existsSync, ftruncateSync, renameSync, rmSync, writevSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { OutputSink } from '@berth/runtime';
import type { Clock } from '../clock.ts';
import { encodeHeader, HEADER_BYTES, noOpenLines, openAfter, type Mark, type OpenLines, type Piece } from './codec.ts';
import { compressFile } from './compress.ts';
import type { LogCursor } from './cursor.ts';
import { boundsOf, type LogBounds, type LogSettings } from './limits.ts';
import { compressedPath, nextPath, olderPath, recoverLog } from './recovery.ts';
import { Recent, type Placed } from './recent.ts';
import { Segment } from './segment.ts';

const FULL_DISK_TRIES = 40;
const FULL_DISK_PAUSE_MS = 250;
const NEWLINE = 10;
/** What slow readers may keep of files that the limit has dropped. */
const PINNED_BYTES = 64 << 20;

/**
 * A container's log: everything its runs wrote, in the order in which it arrived, a record a piece. A write is in the
 * kernel's page cache when it returns, so it survives the daemon (not a loss of power). It is kept in files of limited size,
 * of which the oldest go when there is a limit on the whole. A place in the log counts the bytes of all files since it was
 * opened; records do not span files. The last pieces are also kept in memory for readers that keep up; all others read the
 * files, so that no slow reader costs memory or holds up the container.
 */
export class LogFile {
  readonly path: string;
  readonly #clock: Clock;
  readonly #bounds: LogBounds;
  readonly #cursors = new Set<LogCursor>();
  readonly #recent = new Recent();
  #older: Segment[] = [];
  #current: Segment;
  #fd: number | undefined;
  #holders = 0;
  #recovered = false;
  #run = 0;
  #position = 0;
  #open: OpenLines = noOpenLines;
  #wake = Promise.withResolvers<void>();
  #compressing: Promise<void> = Promise.resolve();
  /** The last run that will write no more. */
  endedRun = 0;
  /** Bytes that a full disk cost, or that the runtime no longer had. */
  lostBytes = 0;

  constructor(path: string, clock: Clock, settings: LogSettings) {
    this.path = path;
    this.#clock = clock;
    this.#bounds = boundsOf(settings);
    this.#current = new Segment({ number: 0, base: 0, bytes: 0, path });
  }

  /** Where the next record will begin. */
  get end(): number {
    return this.#current.end;
  }

  /** Where the oldest record begins that the limit has left. */
  get start(): number {
    return (this.segments[0] ?? this.#current).base;
  }

  /** The files, oldest first, without those that only readers still have. */
  get segments(): readonly Segment[] {
    return [...this.#older.filter(({ dropped }) => !dropped), this.#current];
  }

  /** Opens the log while anyone holds it; each `retain` needs one `release`. Its folder exists. */
  retain(): void {
    if (this.#fd === undefined) this.#openCurrent();
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#fd = undefined;
    this.#recent.clear();
    for (const segment of [...this.#older, this.#current]) segment.close();
    this.#older = this.#older.filter(({ dropped }) => !dropped);
  }

  /** Where output of a run goes; only one run at a time, and only while the log is retained. */
  sink(run: number): OutputSink {
    if (this.#run !== run) {
      this.#run = run;
      this.#position = 0;
      this.#open = noOpenLines;
    }
    const log = this;
    return {
      get position() {
        return log.#position;
      },
      write: (stream, data, offset) => log.#write({ stream, timeNs: log.#clock.nowNs(), run, offset, open: log.#open, data }),
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

  /** The record at a place, if it is still in memory. */
  recent(position: number): Placed | undefined {
    return this.#recent.at(position);
  }

  /** Reads from one place on; less than `length` only at the end of the file there. `undefined`: it has been rotated away. */
  async read(position: number, length: number): Promise<Buffer | undefined> {
    if (position >= this.#current.base) return await this.#current.read(position, length);
    return await this.#older.find((segment) => position >= segment.base && position < segment.end)?.read(position, length);
  }

  /** What a cursor has before it stays readable, even when it is dropped. */
  follow(cursor: LogCursor): void {
    this.#cursors.add(cursor);
  }

  unfollow(cursor: LogCursor): void {
    this.#cursors.delete(cursor);
    this.tidy();
  }

  /** Closes what nobody reads, and forgets what only readers had and have no more. */
  tidy(): void {
    const places = [...this.#cursors].map(({ position }) => position);
    const next = Math.min(...places);
    this.#older = this.#older.filter((segment) => {
      const isNeeded = segment.dropped ? next < segment.end : places.some((place) => place >= segment.base && place < segment.end);
      if (!isNeeded) segment.close();
      return isNeeded || !segment.dropped;
    });
  }

  /** Forgets everything written so far, but for readers that have it open. */
  clear(): void {
    this.retain();
    if (this.#current.bytes > 0) this.#rotate();
    for (const segment of this.#older) this.#drop(segment);
    this.tidy();
    this.release();
  }

  /** Deletes its files; who reads them goes on. Those before the current one go first, oldest first: what is left has no gap. */
  async remove(): Promise<void> {
    this.retain();
    try {
      for (const segment of this.#older) this.#drop(segment);
      await this.#compressing;
      rmSync(nextPath(this.path), { force: true });
      rmSync(this.path, { force: true });
    } finally {
      this.release();
    }
  }

  #openCurrent(): void {
    if (!this.#recovered) this.#recover();
    this.#fd = this.#current.openToWrite();
  }

  #recover(): void {
    const { older, current, standing } = recoverLog(this.path);
    this.#recovered = true;
    this.#older = older;
    this.#current = current;
    this.#run = standing.run;
    this.#position = standing.position;
    this.#open = standing.open;
    if (this.#bounds.compress) for (const segment of older) if (!segment.isCompressed) this.#compress(segment);
  }

  #write(given: Piece): void | Promise<void> {
    // The runtime promises to go on exactly here. What it sends twice is written once; what it skips is told.
    const known = Math.max(0, this.#position - given.offset);
    if (known >= given.data.length) return;
    this.lostBytes += Math.max(0, given.offset - this.#position);
    let rest = known === 0 ? given : from(given, known);
    while (rest.data.length > 0) {
      const length = this.#lengthThatFits(rest);
      if (!this.#append(length === rest.data.length ? rest : { ...rest, data: rest.data.subarray(0, length) })) return this.#appendWhenThereIsRoom(rest);
      rest = { ...from(rest, length), open: this.#open };
    }
  }

  /**
   * How much of a piece goes into the present file, which is changed for the next one where a line ends, so that no line is
   * half dropped; or, when none will end, at twice the size.
   */
  #lengthThatFits(piece: Piece): number {
    const { stream, data } = piece;
    const { segmentBytes } = this.#bounds;
    const room = segmentBytes - this.#current.bytes - HEADER_BYTES;
    const other = stream === 'stdout' ? this.#open.stderr : this.#open.stdout;
    if (room > 0) {
      if (data.length <= room) return data.length;
      const newline = data.indexOf(NEWLINE, room - 1);
      return newline < 0 ? Math.min(data.length, segmentBytes * 2) : newline + 1;
    }
    const isMidLine = this.#open[stream] || other;
    const newline = isMidLine && !other ? data.indexOf(NEWLINE) : -1;
    if (newline >= 0 && this.#current.bytes < 2 * segmentBytes) return newline + 1;
    if (!isMidLine || this.#current.bytes >= 2 * segmentBytes) {
      if (this.#rotate()) return this.#lengthThatFits(piece);
    }
    return data.length;
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

  #append(piece: Piece | Mark): boolean {
    if (this.#fd === undefined) return false;
    const wanted = HEADER_BYTES + piece.data.length;
    try {
      if (writevSync(this.#fd, [encodeHeader(piece), piece.data]) !== wanted) throw new Error('short write');
    } catch {
      ftruncateSync(this.#fd, this.#current.bytes);
      return false;
    }
    this.#recent.add({ ...piece, position: this.end });
    this.#current.bytes += wanted;
    this.#open = openAfter(piece);
    if (piece.stream === 'mark') return true;
    this.#position = piece.offset + piece.data.length;
    this.notify();
    return true;
  }

  /**
   * Goes on in a new file. That one is complete, with a record that says where the journal stood, before it gets its name;
   * killed anywhere in between, the next daemon finishes or undoes it (`finishRotation`). False when it could not be made.
   */
  #rotate(): boolean {
    const old = this.#current;
    const number = old.number + 1;
    const data = Buffer.alloc(4);
    data.writeUInt32LE(number);
    const next = new Segment({ number, base: old.end, bytes: 0, path: nextPath(this.path) });
    const oldFd = this.#fd;
    try {
      this.#fd = next.openToWrite(constants.O_TRUNC);
      this.#current = next;
      if (!this.#append({ stream: 'mark', timeNs: this.#clock.nowNs(), run: this.#run, offset: this.#position, open: this.#open, data }))
        throw new Error('full');
      renameSync(this.path, olderPath(this.path, old.number));
      renameSync(nextPath(this.path), this.path);
    } catch {
      next.close();
      if (!existsSync(this.path)) renameSync(olderPath(this.path, old.number), this.path);
      rmSync(nextPath(this.path), { force: true });
      this.#recent.clear();
      this.#current = old;
      this.#fd = oldFd;
      return false;
    }
    old.renamed(olderPath(this.path, old.number));
    next.renamed(this.path);
    this.#older.push(old);
    this.#dropOldest();
    this.tidy();
    if (this.#bounds.compress && !old.dropped) this.#compress(old);
    return true;
  }

  #dropOldest(): void {
    let total = this.segments.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const segment of this.#older) {
      if (segment.dropped || total <= this.#bounds.totalBytes) continue;
      total -= segment.bytes;
      this.#drop(segment);
    }
    let pinned = 0;
    for (const segment of this.#older.toReversed()) {
      if (segment.dropped) pinned += segment.bytes;
      if (segment.dropped && pinned > PINNED_BYTES) {
        segment.close();
        this.#older = this.#older.filter((other) => other !== segment);
      }
    }
  }

  #drop(segment: Segment): void {
    if (!segment.dropped) segment.drop({ keep: [...this.#cursors].some(({ position }) => position < segment.end) });
  }

  #compress(segment: Segment): void {
    this.#compressing = this.#compressing.then(() => compressFile(segment, compressedPath(this.path, segment.number)));
  }
}

function from(piece: Piece, skipped: number): Piece {
  return { ...piece, offset: piece.offset + skipped, data: piece.data.subarray(skipped) };
}
