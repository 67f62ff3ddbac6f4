import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isFault } from '@berth/kit';
import { lockFile } from './file-lock.ts';

test('a lock has one holder, and goes with a holder that is killed', { timeout: 20_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bt-lock-'));
  const path = join(folder, 'lock');
  const program = `import { lockFile } from ${JSON.stringify(join(import.meta.dirname, 'file-lock.ts'))};
    lockFile(${JSON.stringify(path)}); console.log('held'); setInterval(() => undefined, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(holder.stdout, 'data');
    assert.throws(
      () => lockFile(path),
      (error) => isFault(error, 'locked') && error.message.includes(String(holder.pid)),
    );
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const lock = lockFile(path);
    assert.throws(
      () => lockFile(path),
      (error) => isFault(error, 'locked'),
    );
    lock[Symbol.dispose]();
    lockFile(path)[Symbol.dispose]();
  } finally {
    holder.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
