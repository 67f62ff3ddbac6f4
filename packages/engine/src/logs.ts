import { HEADER_BYTES } from './log-codec.ts';
import type { LogFile } from './log-file.ts';
import { LineSplitter } from './log-lines.ts';
import { readPieces } from './log-reader.ts';
import type { LogOptions, LogRecord } from './port.ts';

/**
 * `docker logs`: the lines of a log. `tail` counts the lines of both streams, as Docker does. With `follow`, goes on until
 * `run` (the one in progress; 0: none) has ended, until `untilNs` has passed, or until abort.
 */
export async function* readLogs(log: LogFile, options: LogOptions, run: number): AsyncGenerator<LogRecord, void> {
  const { sinceNs = 0n, untilNs } = options;
  const follows = options.follow && run > 0;
  const limit = new AbortController();
  const signal = AbortSignal.any([options.signal, limit.signal]);
  const leftMs = untilNs === undefined ? Infinity : Number(untilNs / 1_000_000n) - Date.now();
  const timer = follows && leftMs < 2 ** 31 ? setTimeout(() => limit.abort(), Math.max(0, leftMs)) : undefined;
  const wanted = (record: LogRecord) => record.timeNs >= sinceNs && (record.stream === 'stdout' ? options.stdout : options.stderr);
  const late = (record: LogRecord) => untilNs !== undefined && record.timeNs >= untilNs;

  log.retain();
  try {
    const splitter = new LineSplitter();
    let from = 0;
    if (options.tail !== undefined) {
      const { records, end } = await lastLines(log, options.tail, splitter, !follows, signal);
      for (const record of records) if (wanted(record) && !late(record)) yield record;
      if (!follows) return;
      from = end;
    }
    for await (const piece of readPieces(log, { from, done: () => !follows || log.endedRun >= run, signal })) {
      for (const record of splitter.push(piece)) {
        if (late(record)) return;
        if (wanted(record)) yield record;
      }
    }
    if (!signal.aborted) for (const record of splitter.flush()) if (wanted(record) && !late(record)) yield record;
  } finally {
    clearTimeout(timer);
    log.release();
  }
}

/** The last lines of what is there now, and where it ends. An open line is counted only if it is not to be continued. */
async function lastLines(log: LogFile, count: number, splitter: LineSplitter, whole: boolean, signal: AbortSignal) {
  const records: LogRecord[] = [];
  let end = 0;
  const keep = (more: readonly LogRecord[]) => {
    records.push(...more);
    if (records.length > count * 2 + 1024) records.splice(0, records.length - count);
  };
  for await (const piece of readPieces(log, { from: 0, done: () => true, signal })) {
    end = piece.position + HEADER_BYTES + piece.data.length;
    keep(splitter.push(piece));
  }
  if (whole) keep(splitter.flush());
  return { records: count === 0 ? [] : records.slice(-count), end };
}
