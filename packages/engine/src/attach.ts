import { abortable } from '@berth/kit';
import type { Container, Run } from './container.ts';
import { LogCursor } from './log/cursor.ts';
import { readPieces } from './log/reader.ts';
import type { Attachment, AttachOptions } from './port.ts';
import { Serial } from './serial.ts';

/**
 * Connects a client to a container's streams: to the run in progress or, when none is, to the next one. Output is read
 * from the log, from where it ends now (or from its beginning), so a client gets every byte in order however slow it is,
 * and costs nobody anything.
 */
export function attach(container: Container, options: AttachOptions): Attachment {
  const { log } = container;
  const run = container.current?.number ?? (container.starting === undefined ? container.run + 1 : container.run);
  const cursor = new LogCursor(log, options.logs ? 'start' : 'end');
  let iterated = false;
  options.signal.addEventListener(
    'abort',
    () => {
      if (!iterated) cursor.close();
      iterated = true;
    },
    { once: true },
  );

  async function* output(): AsyncGenerator<{ stream: 'stdout' | 'stderr'; data: Buffer }, void> {
    if (iterated) return;
    iterated = true;
    try {
      const done = () => !options.stream || log.endedRun >= run;
      for await (const { stream, data } of readPieces(cursor, { done, signal: options.signal })) {
        if (stream === 'stdout' ? options.stdout : options.stderr) yield { stream, data };
      }
    } finally {
      cursor.close();
    }
  }

  const wantsInput = options.stdin && options.stream && container.definition.openStdin;
  const input = wantsInput ? new AttachedInput(container, run, options.signal) : undefined;
  return {
    output: output(),
    writeStdin: async (data) => input?.write(data),
    endStdin: async () => input?.end(),
  };
}

/** One client's hold on the container's stdin. What comes before the process waits for it. */
class AttachedInput {
  readonly #container: Container;
  readonly #number: number;
  readonly #signal: AbortSignal;
  readonly #serial = new Serial();
  #ended = false;

  constructor(container: Container, number: number, signal: AbortSignal) {
    this.#container = container;
    this.#number = number;
    this.#signal = signal;
    // A client that vanishes has sent all it will ever send.
    signal.addEventListener('abort', () => void this.end().catch(() => undefined), { once: true });
  }

  write(data: Buffer): Promise<void> {
    return this.#serial.run(async () => {
      const run = await this.#begun(this.#signal);
      if (run !== undefined && !run.stdinClosed) await abortable(run.running.writeStdin(data), this.#signal);
    });
  }

  end(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#ended = true;
    const { stdinOnce, terminal } = this.#container.definition;
    if (!stdinOnce || terminal) return Promise.resolve();
    return this.#serial.run(async () => {
      const run = await this.#begun();
      if (run === undefined || run.stdinClosed) return;
      run.stdinClosed = true;
      await run.running.closeStdin();
    });
  }

  /** The run this client attached to, once it has begun; `undefined` when it is over, or never began. */
  async #begun(signal?: AbortSignal): Promise<Run | undefined> {
    for (;;) {
      const { current, log, gone } = this.#container;
      if (gone || log.endedRun >= this.#number) return undefined;
      if (current?.number === this.#number) return current;
      await (signal === undefined ? this.#container.begun.promise : abortable(this.#container.begun.promise, signal));
    }
  }
}
