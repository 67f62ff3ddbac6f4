import type { LogOptions, LogRecord } from '../port.ts';
import { LogCursor } from './cursor.ts';
import { LineSplitter } from './lines.ts';
import type { LogFile } from './log-file.ts';
import { readPieces } from './reader.ts';
import { tailStart } from './tail.ts';

/**
 * `docker logs`: the lines of a log, as many at a time as came together. `tail` counts the lines of both streams, as Docker
 * does. With `follow`, goes on until `run` (the one in progress; 0: none) has ended, until `untilNs` has passed, or until
 * abort.
 */
export async function* readLogs(log: LogFile, options: LogOptions, run: number): AsyncGenerator<readonly LogRecord[], void> {
  const { sinceNs = 0n, untilNs, tail } = options;
  const follows = options.follow && run > 0;
  const limit = new AbortController();
  const signal = AbortSignal.any([options.signal, limit.signal]);
  const leftMs = untilNs === undefined ? Infinity : Number(untilNs / 1_000_000n) - Date.now();
  const timer = follows && leftMs < 2 ** 31 ? setTimeout(() => limit.abort(), Math.max(0, leftMs)) : undefined;
  const takesAll = sinceNs === 0n && untilNs === undefined && options.stdout && options.stderr;
  const wanted = (records: readonly LogRecord[]) =>
    takesAll ? records : records.filter(({ timeNs, stream }) => timeNs >= sinceNs && (untilNs === undefined || timeNs < untilNs) && options[stream]);
  const isLate = (records: readonly LogRecord[]) => untilNs !== undefined && (records.at(-1)?.timeNs ?? 0n) >= untilNs;

  using cursor = new LogCursor(log, 'start');
  try {
    const splitter = new LineSplitter();
    if (tail !== undefined) {
      const records = wanted(await lastLines(cursor, tail, splitter, { whole: !follows, signal }));
      if (records.length > 0) yield records;
      if (!follows) return;
    }
    for await (const piece of readPieces(cursor, { done: () => !follows || log.endedRun >= run, signal })) {
      const lines = splitter.push(piece);
      const records = wanted(lines);
      if (records.length > 0) yield records;
      if (isLate(lines)) return;
    }
    const records = signal.aborted ? [] : wanted(splitter.flush());
    if (records.length > 0) yield records;
  } finally {
    clearTimeout(timer);
  }
}

/** The last lines of what is there now; the cursor then stands behind it. An open line counts only if it is not to be continued. */
async function lastLines(
  cursor: LogCursor,
  count: number,
  splitter: LineSplitter,
  { whole, signal }: { readonly whole: boolean; readonly signal: AbortSignal },
): Promise<LogRecord[]> {
  const { log } = cursor;
  const records: LogRecord[] = [];
  const keep = (more: readonly LogRecord[]) => {
    for (const record of more) records.push(record);
    if (records.length > count * 2 + 1024) records.splice(0, records.length - count);
  };
  const { end } = log;
  cursor.moveTo(await tailStart(log, count));
  if (cursor.position < end) {
    for await (const piece of readPieces(cursor, { done: () => true, signal })) {
      keep(splitter.push(piece));
      if (cursor.position >= end) break;
    }
  }
  if (whole) keep(splitter.flush());
  return count === 0 ? [] : records.slice(-count);
}
