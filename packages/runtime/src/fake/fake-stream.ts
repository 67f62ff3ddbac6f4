import type { ExitStatus, OutputSink } from '../port.ts';

/** Gives a journal's pieces to a sink one after the other, acknowledges what the sink has taken, and then tells the end. */
export class FakeStream {
  readonly #sink: OutputSink;
  readonly #acknowledge: (position: number) => void;
  readonly #end = Promise.withResolvers<ExitStatus>();
  readonly exited = this.#end.promise;
  #tail: Promise<void> = Promise.resolve();

  constructor(sink: OutputSink, acknowledge: (position: number) => void) {
    this.#sink = sink;
    this.#acknowledge = acknowledge;
  }

  take(stream: 'stdout' | 'stderr', data: Buffer, offset: number): void {
    this.#tail = this.#tail.then(async () => {
      // A sink that fails has not got the piece; the journal keeps it, and what follows waits for a reader that comes back.
      await this.#sink.write(stream, data, offset);
      this.#acknowledge(offset + data.length);
    });
    this.#tail.catch(() => undefined);
  }

  end(status: ExitStatus): void {
    const finish = () => this.#end.resolve(status);
    void this.#tail.then(finish, finish);
  }
}
