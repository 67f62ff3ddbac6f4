import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BoundedFile } from './bounded-file.ts';

test('a log keeps its bound, and its newest lines', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bt-log-'));
  try {
    const path = join(folder, 'log');
    const file = new BoundedFile(path, 1_000);
    for (let number = 0; number < 500; number += 1) file.write(`line ${number}\n`);
    file.close();
    const again = new BoundedFile(path, 1_000);
    again.write('after a restart\n');
    again.close();
    assert.deepEqual(readdirSync(folder).sort(), ['log', 'log.1']);
    for (const name of ['log', 'log.1']) assert.ok(statSync(join(folder, name)).size <= 1_000);
    const kept = readFileSync(join(folder, 'log.1'), 'utf8') + readFileSync(path, 'utf8');
    assert.match(kept, /line 498\nline 499\nafter a restart\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
