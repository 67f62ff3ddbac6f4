import type { Line } from './line.ts';
import { toAgent } from './messages.ts';

/** What may be on its way to a process that has not read it; the agent holds no more. */
const WINDOW_BYTES = 64 << 10;
const PIECE_BYTES = 30_000;

/** The standard input of one process: ordered, and held back while the process doesn't read. */
export class StdinStream {
  readonly #line: Line;
  readonly #id: number;
  #credit = WINDOW_BYTES;
  #tail: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(line: Line, id: number) {
    this.#line = line;
    this.#id = id;
    void line.closed.then(() => this.end());
  }

  /** Resolves when the agent may have all of it. After the process's end, or the connection's, it goes nowhere. */
  write(data: Buffer): Promise<void> {
    this.#tail = this.#tail.then(async () => {
      for (let at = 0; at < data.length && !this.#ended; ) {
        if (this.#credit === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          continue;
        }
        const size = Math.min(data.length - at, this.#credit, PIECE_BYTES);
        this.#credit -= size;
        this.#line.tell(toAgent.stdin, this.#id, data.subarray(at, at + size));
        at += size;
      }
    });
    return this.#tail;
  }

  close(): Promise<void> {
    this.#tail = this.#tail.then(() => {
      if (!this.#ended) this.#line.tell(toAgent.stdinClose, this.#id);
    });
    return this.#tail;
  }

  onCredit(bytes: number): void {
    this.#credit += bytes;
    this.#wake?.();
  }

  /** The process has ended: whoever waits is let go. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }
}
