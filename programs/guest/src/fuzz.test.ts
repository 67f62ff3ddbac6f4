import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

test('damaged frames and bodies are survived, under address and undefined-behaviour sanitizers', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-fuzz-'));
  try {
    const sources = (await readdir(join(ROOT, 'agent'))).filter((name) => name.endsWith('.c'));
    const program = join(directory, 'parse');
    const objects = join(directory, 'main.o');
    // The agent's own main gives way to the harness's.
    const common = ['-O1', '-g', '-std=gnu17', '-D_GNU_SOURCE', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    await run('gcc', [...common, '-Dmain=agent_main', '-c', '-o', objects, join(ROOT, 'agent', 'main.c')]);
    const others = sources.filter((name) => name !== 'main.c').map((name) => join(ROOT, 'agent', name));
    await run('gcc', [...common, '-o', program, join(ROOT, 'fuzz', 'parse.c'), objects, ...others]);
    const seed = randomInt(1, 2 ** 47);
    const result = await run(program, ['4000', String(seed)], { timeoutMs: 120_000, accept: [0, 1, 134] });
    assert.equal(result.exitCode, 0, `seed ${seed}: ${result.stderr}`);
    t.diagnostic(`seed ${seed}: ${result.stdout.trim()}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
