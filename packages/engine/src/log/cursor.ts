import type { LogFile } from './log-file.ts';

/** A reader's place in a log. What lies before it stays readable until it is closed. */
export class LogCursor implements Disposable {
  readonly log: LogFile;
  #position: number;
  #closed = false;

  /** At a place; absent: at the oldest record, or, at `'end'`, behind the newest. */
  constructor(log: LogFile, at: number | 'start' | 'end') {
    this.log = log;
    log.retain();
    this.#position = at === 'start' ? log.start : at === 'end' ? log.end : at;
    log.follow(this);
  }

  get position(): number {
    return this.#position;
  }

  moveTo(position: number): void {
    this.#position = position;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.log.unfollow(this);
    this.log.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
