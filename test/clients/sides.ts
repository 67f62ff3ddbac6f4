import { Oracle } from '../oracle/index.ts';
import { type BerthSide, openBerthSide } from './berth-side.ts';

/** The two daemons of a run, opened once for all suites; known only once `open` has ended. */
export class Sides implements AsyncDisposable {
  #oracle: Oracle | undefined;
  #berth: BerthSide | undefined;

  async open(): Promise<void> {
    // One that fails must not leave the other behind.
    const [oracle, berth] = await Promise.allSettled([Oracle.open(), openBerthSide()]);
    if (oracle.status === 'fulfilled') this.#oracle = oracle.value;
    if (berth.status === 'fulfilled') this.#berth = berth.value;
    for (const side of [oracle, berth]) {
      if (side.status === 'rejected') {
        await this[Symbol.asyncDispose]();
        throw side.reason;
      }
    }
  }

  get oracle(): Oracle {
    if (this.#oracle === undefined) throw new Error('dockerd is not open');
    return this.#oracle;
  }

  get berth(): BerthSide {
    if (this.#berth === undefined) throw new Error('Berth is not open');
    return this.#berth;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#berth?.[Symbol.asyncDispose]();
    await this.#oracle?.[Symbol.asyncDispose]();
    this.#berth = undefined;
    this.#oracle = undefined;
  }
}
