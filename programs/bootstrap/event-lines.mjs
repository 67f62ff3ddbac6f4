/** A reporter for node:test that writes what the suite runner needs as JSON lines: failures, skips, what tests say of themselves, and the final counts. */
export default async function* eventLines(source) {
  for await (const event of source) {
    const { type, data } = event;
    if (type === 'test:summary') yield line({ type, counts: data.counts, durationMs: data.duration_ms });
    else if (type === 'test:fail') {
      yield line({
        type,
        name: data.name,
        suite: data.details?.type === 'suite',
        todo: data.todo !== undefined,
        message: describe(data.details?.error),
        place: place(data),
      });
    } else if (type === 'test:pass' && data.skip !== undefined) yield line({ type: 'skip', name: data.name, reason: String(data.skip) });
    else if (type === 'test:diagnostic' && !isClosing(data)) yield line({ type: 'figure', message: data.message });
  }
}

/** The runner's own closing lines stand at the beginning of the file. */
const isClosing = (data) => data.line === 1 && data.column === 1;
const line = (value) => `${JSON.stringify(value)}\n`;
const place = (data) => (data.file === undefined ? '' : `${data.file}:${data.line}`);

function describe(error) {
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause?.message ?? cause ?? 'failed').slice(0, 4_000);
}
