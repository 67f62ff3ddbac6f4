import { decode, recordBytes } from './codec.ts';
import type { LogFile } from './log-file.ts';

const NEWLINE = 10;

/**
 * Where the last lines begin: a place from which reading gives at least `count` of them, each of them whole. Reads the log's
 * files from the newest back, and no more of them than that takes.
 */
export async function tailStart(log: LogFile, count: number): Promise<number> {
  if (count === 0) return log.end;
  let lines = 0;
  for (const segment of log.segments.toReversed()) {
    const content = (await log.read(segment.base, segment.bytes)) ?? Buffer.alloc(0);
    for (const at of places(content).toReversed()) {
      const record = decode(content, at);
      if (record === undefined) return segment.base;
      if (record.stream !== 'mark') lines += newlinesIn(record.data);
      // One more than asked for: the newest line may not have ended, and then this one counts.
      if (lines > count && !record.open.stdout && !record.open.stderr) return segment.base + at;
    }
  }
  return log.start;
}

/** Where the records of a file begin. By their lengths alone: there are many, and most are never looked at. */
function places(content: Buffer): number[] {
  const found: number[] = [];
  let at = 0;
  for (let length = recordBytes(content, at); length !== undefined && at + length <= content.length; length = recordBytes(content, at)) {
    found.push(at);
    at += length;
  }
  return found;
}

function newlinesIn(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}
