/** One line of the monitor protocol, as JSON. */
export type QmpLine = Readonly<Record<string, unknown>>;

/** Above this a line is no answer to anything we ask: the monitor is broken. */
const MAX_LINE_BYTES = 1 << 20;

/**
 * Cuts a byte stream into the JSON objects of QEMU's monitor protocol (one a line, docs/interop/qmp-spec). Throws
 * `SyntaxError` on a line that is no object, `RangeError` on one above 1 MiB.
 */
export class QmpLines {
  #rest: Buffer[] = [];
  #restBytes = 0;

  push(chunk: Buffer): QmpLine[] {
    const lines: QmpLine[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const text = Buffer.concat([...this.#rest, chunk.subarray(from, end)]).toString();
      this.#rest = [];
      this.#restBytes = 0;
      from = end + 1;
      if (text.trim() === '') continue;
      const value: unknown = JSON.parse(text);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SyntaxError('the monitor sent no object');
      lines.push(value as QmpLine);
    }
    if (from < chunk.length) {
      this.#rest.push(Buffer.from(chunk.subarray(from)));
      this.#restBytes += chunk.length - from;
      if (this.#restBytes > MAX_LINE_BYTES) throw new RangeError('the monitor sent a line without end');
    }
    return lines;
  }
}
