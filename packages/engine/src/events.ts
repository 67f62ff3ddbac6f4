import type { Clock } from './clock.ts';
import type { EngineEvent } from './port.ts';

const REMEMBERED = 256;
const WAITING = 4096;

/** The stream of what happened: the last 256 events for `--since`, and live ones for any number of listeners. */
export class Events {
  readonly #clock: Clock;
  readonly #past: EngineEvent[] = [];
  readonly #listeners = new Set<Listener>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  emit(event: Omit<EngineEvent, 'timeNs'>): void {
    const stamped = { ...event, timeNs: this.#clock.nowNs() };
    this.#past.push(stamped);
    if (this.#past.length > REMEMBERED) this.#past.shift();
    for (const listener of this.#listeners) listener.push(stamped);
  }

  /**
   * Past events from `sinceNs` on (none without it), then live ones until `untilNs` or abort. Listening begins at the
   * call. A listener that falls 4096 events behind is ended, so that it cannot hold the daemon's memory.
   */
  subscribe(options: { sinceNs?: bigint; untilNs?: bigint; signal: AbortSignal }): AsyncIterable<EngineEvent> {
    const { sinceNs, untilNs, signal } = options;
    const past = sinceNs === undefined ? [] : this.#past.filter((event) => event.timeNs >= sinceNs && (untilNs === undefined || event.timeNs <= untilNs));
    const listener = new Listener(past);
    this.#listeners.add(listener);
    const end = () => {
      listener.end();
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', end);
      clearTimeout(timer);
    };
    signal.addEventListener('abort', end, { once: true });
    const now = this.#clock.nowNs();
    const timer = untilNs === undefined ? undefined : setTimeout(end, Math.min(2 ** 31 - 1, Math.max(0, Number((untilNs - now) / 1_000_000n))));
    if (signal.aborted || (untilNs !== undefined && untilNs <= now)) end();
    return listener.take(end);
  }
}

class Listener {
  readonly #queue: EngineEvent[];
  #wake = Promise.withResolvers<void>();
  #ended = false;

  constructor(past: EngineEvent[]) {
    this.#queue = past;
  }

  push(event: EngineEvent): void {
    if (this.#ended) return;
    this.#queue.push(event);
    if (this.#queue.length > WAITING) this.end();
    this.#wake.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *take(end: () => void): AsyncGenerator<EngineEvent> {
    try {
      for (;;) {
        for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) yield event;
        if (this.#ended) return;
        await this.#wake.promise;
        this.#wake = Promise.withResolvers<void>();
      }
    } finally {
      end();
    }
  }
}
