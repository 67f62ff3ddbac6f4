import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';

const SOURCES = ['ram-guard.c', 'agent-line.c', 'vm-fork.c'].map((name) => fileURLToPath(new URL(`../native/${name}`, import.meta.url)));

/** Compiles the library that is preloaded into clones (see its sources), unless it is there already; its path. */
export async function buildPreload(directory: string, options: { signal?: AbortSignal } = {}): Promise<string> {
  const key = createHash('sha256');
  for (const source of SOURCES) key.update(await readFile(source));
  const path = join(directory, `clone-${key.digest('hex').slice(0, 16)}.so`);
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    return path;
  await mkdir(directory, { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await run('gcc', ['-shared', '-fPIC', '-O2', '-s', '-o', temporary, ...SOURCES], options);
  await rename(temporary, path);
  return path;
}
