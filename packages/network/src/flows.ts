import { type Connection, forgetConnections } from '@berth/sys';
import type { NetworkLog } from './log.ts';

type Which = (connection: Connection) => boolean;

/** Tracked connections to be forgotten. The kernel's table is walked once for all who ask meanwhile. */
export class Flows {
  readonly #log: NetworkLog;
  #waiting: Which[] = [];
  #next: Promise<void> | undefined;
  #current: Promise<void> = Promise.resolve();

  constructor(log: NetworkLog) {
    this.#log = log;
  }

  /** Best effort: what stays ends when it has been idle. Never rejects. */
  forget(which: Which): Promise<void> {
    this.#waiting.push(which);
    this.#next ??= this.#current.then(() => {
      const all = this.#waiting;
      this.#waiting = [];
      this.#next = undefined;
      this.#current = forgetConnections((connection) => all.some((one) => one(connection))).then(
        () => undefined,
        (error: unknown) => this.#log.warn({ error }, 'the connection tracker could not be told to forget'),
      );
      return this.#current;
    });
    return this.#next;
  }
}
