import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../clock.ts';
import { LogCursor } from './cursor.ts';
import { unlimitedLog, type LogSettings } from './limits.ts';
import { LogFile } from './log-file.ts';
import { readPieces } from './reader.ts';
import { readLogs } from './logs.ts';
import type { LogOptions } from '../port.ts';

const folder = mkdtempSync(join(tmpdir(), 'berth-log-'));
after(() => rmSync(folder, { recursive: true }));
const never = new AbortController().signal;
let count = 0;

function fresh(path = join(folder, `${(count += 1)}.log`), settings: LogSettings = unlimitedLog): LogFile {
  const log = new LogFile(path, systemClock(), settings);
  log.retain();
  return log;
}

function write(log: LogFile, run: number, ...words: string[]): void {
  const sink = log.sink(run);
  for (const word of words) void sink.write(word.startsWith('!') ? 'stderr' : 'stdout', Buffer.from(word), sink.position);
}

async function all(log: LogFile): Promise<string[]> {
  const found: string[] = [];
  using cursor = new LogCursor(log, 'start');
  for await (const { data } of readPieces(cursor, { done: () => true, signal: never })) found.push(data.toString());
  return found;
}

async function lines(log: LogFile, options: Partial<LogOptions> = {}, run = 0): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of readLogs(log, { stdout: true, stderr: true, follow: false, signal: never, ...options }, run)) {
    for (const { data } of batch) found.push(data.toString());
  }
  return found;
}

test('after a crash the log ends with its last whole record, and goes on from there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 8 }), fc.nat({ max: 60 }), async (words, cut) => {
      const log = fresh();
      write(log, 3, ...words);
      const ends = words.map((_, index) => words.slice(0, index + 1).reduce((sum, word) => sum + 32 + Buffer.byteLength(word), 0));
      log.release();
      truncateSync(log.path, Math.max(0, statSync(log.path).size - cut));
      const whole = ends.filter((end) => end <= statSync(log.path).size).length;

      const again = fresh(log.path);
      const kept = words.slice(0, whole);
      const sink = again.sink(3);
      assert.equal(sink.position, Buffer.byteLength(kept.join('')));
      void sink.write('stdout', Buffer.from('more'), sink.position);
      assert.deepEqual(await all(again), [...kept, 'more']);
      again.release();
    }),
    { numRuns: 60 },
  );
});

test('garbage after the last record is cut off', async () => {
  const log = fresh();
  write(log, 1, 'good');
  log.release();
  appendFileSync(log.path, Buffer.alloc(5000, 0xb7));
  const again = fresh(log.path);
  assert.equal(again.sink(1).position, 4);
  assert.deepEqual(await all(again), ['good']);
  assert.equal(readFileSync(log.path).length, 36);
  again.release();
});

test('a damaged file reads up to the damage', async () => {
  const log = fresh();
  write(log, 1, 'one', 'two', 'three');
  log.release();
  const bytes = readFileSync(log.path);
  bytes[32 + 3 + 33] = 0xff;
  writeFileSync(log.path, bytes);
  const again = fresh(log.path);
  assert.deepEqual(await all(again), ['one']);
  again.release();
});

test('what a runtime sends again is written once; what it skips is counted', async () => {
  const log = fresh();
  const sink = log.sink(1);
  void sink.write('stdout', Buffer.from('abc'), 0);
  void sink.write('stdout', Buffer.from('abc'), 0);
  void sink.write('stdout', Buffer.from('cde'), 2);
  assert.deepEqual(await all(log), ['abc', 'de']);
  assert.equal(log.lostBytes, 0);
  void sink.write('stdout', Buffer.from('h'), 7);
  assert.deepEqual({ lost: log.lostBytes, position: sink.position }, { lost: 2, position: 8 });
  log.release();
});

test('the journal of each run begins at its own zero', () => {
  const log = fresh();
  write(log, 1, 'abc');
  assert.equal(log.sink(1).position, 3);
  assert.equal(log.sink(2).position, 0);
  log.release();
});

test('a reader that lags by far more than memory keeps gets every byte', { timeout: 60_000 }, async () => {
  const log = fresh();
  const sink = log.sink(1);
  const block = Buffer.alloc(64 << 10);
  const total = 600;
  const reading = (async () => {
    let next = 0;
    using cursor = new LogCursor(log, 'start');
    for await (const { data } of readPieces(cursor, { done: () => log.endedRun >= 1, signal: never })) {
      assert.equal(data.readUInt32LE(0), next);
      next += 1;
      if (next % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return next;
  })();
  for (let index = 0; index < total; index += 1) {
    block.writeUInt32LE(index);
    void sink.write('stdout', Buffer.from(block), sink.position);
    if (index % 150 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  log.endRun(1);
  assert.equal(await reading, total);
  log.release();
});

test('a piece larger than any buffer is read whole', async () => {
  const log = fresh();
  const sink = log.sink(1);
  const large = Buffer.alloc(3 << 20, 'z');
  void sink.write('stdout', large, 0);
  write(log, 1, 'after');
  log.release();
  const again = fresh(log.path);
  assert.equal(again.sink(1).position, large.length + 5);
  const found = await all(again);
  assert.ok(found[0]?.length === large.length && found[1] === 'after');
  again.release();
});

test('tail counts lines of both streams; since and until bound by time', async () => {
  const log = fresh();
  write(log, 1, 'a\nb\n', '!c\n', 'd');
  assert.deepEqual(await lines(log), ['a\n', 'b\n', '!c\n', 'd']);
  assert.deepEqual(await lines(log, { tail: 2 }), ['!c\n', 'd']);
  assert.deepEqual(await lines(log, { tail: 2, stderr: false }), ['d']);
  assert.deepEqual(await lines(log, { tail: 0 }), []);
  assert.deepEqual(await lines(log, { tail: 100, stdout: false }), ['!c\n']);
  const times: bigint[] = [];
  for await (const batch of readLogs(log, { stdout: true, stderr: true, follow: false, signal: never }, 0)) {
    for (const { timeNs } of batch) times.push(timeNs);
  }
  assert.deepEqual(await lines(log, { sinceNs: times[2] ?? 0n }), ['!c\n', 'd']);
  assert.deepEqual(await lines(log, { untilNs: times[2] ?? 0n }), ['a\n', 'b\n']);
  log.release();
});

test('following gives what is there, then what comes, to the end of the run', { timeout: 10_000 }, async () => {
  const log = fresh();
  write(log, 1, 'old\n');
  log.endRun(1);
  write(log, 2, 'x\ny\nz');
  const followed = lines(log, { follow: true, tail: 1 }, 2);
  await new Promise((resolve) => setImmediate(resolve));
  write(log, 2, 'z\n', '!w');
  log.endRun(2);
  assert.deepEqual(await followed, ['y\n', 'zz\n', '!w']);
  assert.deepEqual(await lines(log, { follow: true }, 0), ['old\n', 'x\n', 'y\n', 'zz\n', '!w']);
  log.release();
});

test('following ends when its time is over, and on abort', { timeout: 10_000 }, async () => {
  const log = fresh();
  write(log, 1, 'now\n');
  const untilNs = BigInt(Date.now() + 50) * 1_000_000n;
  assert.deepEqual(await lines(log, { follow: true, untilNs }, 1), ['now\n']);
  const abort = new AbortController();
  const followed = lines(log, { follow: true, signal: abort.signal }, 1);
  abort.abort();
  assert.deepEqual(
    (await followed).filter((line) => line !== 'now\n'),
    [],
  );
  log.release();
});
