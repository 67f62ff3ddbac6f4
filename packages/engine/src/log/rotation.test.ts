import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../clock.ts';
import { LogCursor } from './cursor.ts';
import type { LogSettings } from './limits.ts';
import { LogFile } from './log-file.ts';
import { readLogs } from './logs.ts';
import { readPieces } from './reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'berth-rotation-'));
after(() => rmSync(folder, { recursive: true }));
const never = new AbortController().signal;
let count = 0;

const small: LogSettings = { driver: 'json-file', maxBytes: 1000, maxFiles: 3, compress: false };
const nextFile = () => join(folder, `${(count += 1)}.log`);

function open(path: string, settings: LogSettings = small): LogFile {
  const log = new LogFile(path, systemClock(), settings);
  log.retain();
  return log;
}

/** Writes the lines `first` to `last`, each a number. */
function writeLines(log: LogFile, first: number, last: number): void {
  const sink = log.sink(1);
  for (let line = first; line <= last; line += 1) void sink.write('stdout', Buffer.from(`${line}\n`), sink.position);
}

async function read(log: LogFile, tail?: number): Promise<number[]> {
  const parts: Buffer[] = [];
  for await (const batch of readLogs(log, { stdout: true, stderr: true, follow: false, signal: never, ...(tail === undefined ? {} : { tail }) }, 0)) {
    for (const { data } of batch) parts.push(data);
  }
  return Buffer.concat(parts).toString().trimEnd().split('\n').map(Number);
}

/** Counts on without a gap or a repetition, and ends with `last`. */
function assertCounts(lines: readonly number[], last: number): void {
  assert.equal(lines.at(-1), last);
  for (const [index, line] of lines.entries()) assert.equal(line, (lines[0] ?? 0) + index);
}

const filesOf = (path: string) => readdirSync(folder).filter((name) => join(folder, name).startsWith(path));

test('the oldest files go; what is left ends with the newest line, and begins with a whole one', async () => {
  const path = nextFile();
  const log = open(path);
  writeLines(log, 1, 2000);
  const lines = await read(log);
  assertCounts(lines, 2000);
  assert.ok(lines.length >= 50 && lines.length < 120, `${lines.length} lines are left`);
  assert.equal(filesOf(path).length, 3);
  for (const name of filesOf(path)) assert.ok(statSync(join(folder, name)).size < 1100);
  log.release();
});

test('a follower gets every line, however far the files have gone on', { timeout: 20_000 }, async () => {
  const path = nextFile();
  const log = open(path);
  const found: string[] = [];
  const following = (async () => {
    using cursor = new LogCursor(log, 'start');
    for await (const { data } of readPieces(cursor, { done: () => log.endedRun >= 1, signal: never })) {
      found.push(data.toString());
      if (found.length % 37 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await new Promise((resolve) => setImmediate(resolve));
  for (let first = 1; first <= 5000; first += 500) {
    writeLines(log, first, first + 499);
    await new Promise((resolve) => setImmediate(resolve));
  }
  log.endRun(1);
  await following;
  assertCounts(found.map(Number), 5000);
  assert.equal(found.length, 5000);
  assert.equal(filesOf(path).length, 3, 'nothing is kept for a follower who is done');
  log.release();
});

test('a reader that would keep more than 64 MiB alive is told so', { timeout: 20_000 }, async () => {
  const log = open(nextFile(), { driver: 'json-file', maxBytes: 1 << 20, maxFiles: 1, compress: false });
  using cursor = new LogCursor(log, 'start');
  const sink = log.sink(1);
  const block = Buffer.alloc(1 << 20, 'x');
  block[block.length - 1] = 10;
  for (let index = 0; index < 80; index += 1) void sink.write('stdout', block, sink.position);
  await assert.rejects(
    async () => {
      for await (const _ of readPieces(cursor, { done: () => true, signal: never }));
    },
    { code: 'log-rotated' },
  );
  log.release();
});

test('reopened at any moment of a rotation, the log goes on where it was', async () => {
  const path = nextFile();
  let log = open(path);
  writeLines(log, 1, 100);
  const { position } = log.sink(1);
  log.release();
  // Killed between the two renames.
  renameSync(path, `${path}.next`);
  log = open(path);
  assert.equal(log.sink(1).position, position);
  writeLines(log, 101, 150);
  assertCounts(await read(log), 150);
  log.release();
  assert.ok(!filesOf(path).some((name) => name.endsWith('.next')));
});

test('lines longer than a file, and two streams, lose nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(fc.constantFrom('stdout' as const, 'stderr' as const), fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 1, maxLength: 90 })),
        {
          minLength: 1,
          maxLength: 60,
        },
      ),
      fc.nat({ max: 12 }),
      async (pieces, tail) => {
        const path = nextFile();
        const log = open(path, { driver: 'json-file', maxBytes: 150, maxFiles: 1000, compress: false });
        const sink = log.sink(1);
        for (const [stream, text] of pieces) void sink.write(stream, Buffer.from(text), sink.position);
        const all = await lines(log);
        for (const stream of ['stdout', 'stderr']) {
          const written = pieces.flatMap(([name, text]) => (name === stream ? [text] : [])).join('');
          assert.equal(all.flatMap((line) => (line.startsWith(`${stream} `) ? [line.slice(7)] : [])).join(''), written);
        }
        const last = tail === 0 ? [] : all.slice(-tail);
        assert.deepEqual(await lines(log, tail), last);
        log.release();
        const again = open(path, { driver: 'json-file', maxBytes: 150, maxFiles: 1000, compress: false });
        assert.deepEqual(await lines(again, tail), last);
        await again.remove();
        again.release();
        assert.deepEqual(filesOf(path), []);
      },
    ),
    { numRuns: 60 },
  );
});

async function lines(log: LogFile, tail?: number): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of readLogs(log, { stdout: true, stderr: true, follow: false, signal: never, ...(tail === undefined ? {} : { tail }) }, 0)) {
    for (const { stream, data } of batch) found.push(`${stream} ${data}`);
  }
  return found;
}

test('the last lines are found without reading what is before them', async () => {
  const path = nextFile();
  const log = open(path, { driver: 'json-file', maxFiles: 1, compress: false });
  const sink = log.sink(1);
  const line = Buffer.from(`${'x'.repeat(999)}\n`);
  const block = Buffer.concat(Array.from({ length: 32 }, () => line));
  for (let index = 0; index < 1000; index += 1) void sink.write('stdout', block, sink.position);
  assert.ok(filesOf(path).length >= 8, 'without a limit it is in files of 4 MiB');
  // Were the first files read, this would fail.
  for (const name of filesOf(path).sort().slice(1, 6)) renameSync(join(folder, name), join(folder, `hidden-${name}`));
  assert.equal((await read(log, 10)).length, 10);
  log.release();
  for (const name of readdirSync(folder).filter((one) => one.startsWith('hidden-'))) renameSync(join(folder, name), join(folder, name.slice(7)));
  const again = open(path, { driver: 'json-file', maxFiles: 1, compress: false });
  assert.equal((await lines(again)).length, 32_000);
  again.release();
});

test('compressed files are read as if they were not, and go with the log', { timeout: 20_000 }, async () => {
  const path = nextFile();
  const settings = { ...small, maxFiles: 5, compress: true };
  let log = open(path, settings);
  writeLines(log, 1, 2000);
  while (filesOf(path).filter((name) => name.endsWith('.gz')).length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  assertCounts(await read(log), 2000);
  log.release();
  log = open(path, settings);
  assertCounts(await read(log), 2000);
  assertCounts(await read(log, 100), 2000);
  await log.remove();
  log.release();
  assert.deepEqual(filesOf(path), []);
});

test('what is cleared is gone for those who come later, not for those who read', async () => {
  const path = nextFile();
  const log = open(path, { ...small, driver: 'none' });
  using cursor = new LogCursor(log, 'start');
  writeLines(log, 1, 10);
  log.clear();
  assert.deepEqual(await lines(log), []);
  const found: string[] = [];
  for await (const { data } of readPieces(cursor, { done: () => true, signal: never })) found.push(data.toString());
  assert.equal(found.length, 10);
  log.release();
});

test('a writer killed at any moment loses and repeats nothing', { timeout: 60_000 }, async () => {
  const path = nextFile();
  for (let round = 0; round < 12; round += 1) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'rotation-child.ts'), path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 3 + ((round * 17) % 40)));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const log = open(path);
    const lines = await read(log);
    const { position } = log.sink(1);
    assertCounts(lines, position / 8);
    assert.ok(lines.length >= Math.min(30, position / 8), `${lines.length} lines are left of ${position / 8}`);
    log.release();
  }
});
