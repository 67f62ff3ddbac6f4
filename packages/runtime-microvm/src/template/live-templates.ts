import type { LiveTemplate } from './live-template.ts';

/** A QEMU that cannot be forked will not learn it: after so many failures nobody tries again. */
const MOST_FAILURES = 3;

/** Live templates of the images in use, the least recently used closed when there are too many. */
export class LiveTemplates {
  readonly #most: number;
  readonly #log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Least recently used first. */
  readonly #ready = new Map<string, LiveTemplate>();
  readonly #making = new Map<string, Promise<void>>();
  #failures = 0;
  #closed = false;

  constructor(most: number, log: (level: 'info' | 'warn' | 'error', message: string) => void) {
    this.#most = most;
    this.#log = log;
  }

  /** One that can be forked now. */
  usable(key: string): LiveTemplate | undefined {
    const live = this.#ready.get(key);
    return live?.usable === true ? live : undefined;
  }

  get keys(): string[] {
    return [...this.#ready.keys()];
  }

  /** Sees to it that there is one, by `make`. That one cannot be made is told to the log: clones do without. Never rejects. */
  async ensure(key: string, make: () => Promise<LiveTemplate>): Promise<void> {
    const live = this.usable(key);
    if (live !== undefined) {
      this.#ready.delete(key);
      this.#ready.set(key, live);
      return;
    }
    if (this.#closed || this.#failures >= MOST_FAILURES) return;
    const making = this.#making.get(key) ?? this.#make(key, make).finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    await making;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#making.values());
    await Promise.all([...this.#ready.values()].map((live) => live.close()));
    this.#ready.clear();
  }

  async #make(key: string, make: () => Promise<LiveTemplate>): Promise<void> {
    await this.#ready.get(key)?.close();
    this.#ready.delete(key);
    try {
      const live = await make();
      if (this.#closed) return await live.close();
      this.#ready.set(key, live);
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      this.#log('warn', `no live template could be made: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const [oldest, live] of this.#ready) {
      if (this.#ready.size <= this.#most) break;
      this.#ready.delete(oldest);
      await live.close();
    }
  }
}
