import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';

const SOURCE = fileURLToPath(new URL('../native/ram-guard.c', import.meta.url));

/** Compiles the library that is preloaded into clones (see its source), unless it is there already; its path. */
export async function buildGuard(directory: string, options: { signal?: AbortSignal } = {}): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(SOURCE))
    .digest('hex')
    .slice(0, 16);
  const path = join(directory, `ram-guard-${key}.so`);
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    return path;
  await mkdir(directory, { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await run('gcc', ['-shared', '-fPIC', '-O2', '-s', '-o', temporary, SOURCE], options);
  await rename(temporary, path);
  return path;
}
