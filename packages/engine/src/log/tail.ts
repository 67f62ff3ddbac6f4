import { decode, HEADER_BYTES } from './codec.ts';
import type { LogFile } from './log-file.ts';
import type { Segment } from './segment.ts';

const NEWLINE = 10;

/**
 * Where the last lines begin: a place from which reading gives at least `count` of them, each of them whole. Reads the log's
 * files from the newest back, and no more of them than that takes.
 */
export async function tailStart(log: LogFile, count: number): Promise<number> {
  if (count === 0) return log.end;
  let lines = 0;
  for (const segment of log.segments.toReversed()) {
    for (const { position, newlines, isBetweenLines } of (await outline(log, segment)).toReversed()) {
      lines += newlines;
      // One more than asked for: the newest line may not have ended, and then this one counts.
      if (lines > count && isBetweenLines) return position;
    }
  }
  return log.start;
}

async function outline(log: LogFile, { base, bytes }: Segment) {
  const content = (await log.read(base, bytes)) ?? Buffer.alloc(0);
  const found: { position: number; newlines: number; isBetweenLines: boolean }[] = [];
  let at = 0;
  for (let record = decode(content, at); record !== undefined; record = decode(content, at)) {
    const { stream, open, data } = record;
    found.push({ position: base + at, newlines: stream === 'mark' ? 0 : newlinesIn(data), isBetweenLines: !open.stdout && !open.stderr });
    at += HEADER_BYTES + data.length;
  }
  return found;
}

function newlinesIn(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}
