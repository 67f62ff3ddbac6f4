import assert from 'node:assert/strict';
import type { ExecSink, OutputSink } from '../port.ts';

/** A sink that keeps everything and checks the port's promise about offsets. */
export class Recorder implements OutputSink, ExecSink {
  readonly #pieces: { readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }[] = [];
  #waiting: (() => void)[] = [];
  #position: number;
  /** While set, pieces are refused: the daemon is as good as dead. */
  #blocked = false;

  constructor(position = 0) {
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  write(stream: 'stdout' | 'stderr', data: Buffer, offset?: number): void | Promise<void> {
    if (this.#blocked) return new Promise(() => undefined);
    if (offset !== undefined) assert.equal(offset, this.#position, 'pieces come in order, without gap or repetition');
    this.#pieces.push({ stream, data: Buffer.from(data) });
    this.#position += data.length;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** From now on nothing is taken, and nothing acknowledged. */
  block(): void {
    this.#blocked = true;
  }

  bytes(stream?: 'stdout' | 'stderr'): Buffer {
    return Buffer.concat(this.#pieces.filter((piece) => stream === undefined || piece.stream === stream).map((piece) => piece.data));
  }

  text(stream?: 'stdout' | 'stderr'): string {
    return this.bytes(stream).toString();
  }

  /** Resolves once the output contains the words. The test's own limit bounds the wait. */
  async until(words: string | RegExp): Promise<void> {
    const there = () => (typeof words === 'string' ? this.text().includes(words) : words.test(this.text()));
    while (!there()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
