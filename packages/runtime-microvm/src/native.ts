import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';

/** What is preloaded into clones: see the sources. */
export const buildPreload = (directory: string, options: { signal?: AbortSignal } = {}): Promise<string> =>
  compile(directory, ['ram-guard.c', 'agent-line.c', 'own-mounts.c', 'special-files.c', 'vm-fork.c'], 'clone-KEY.so', ['-shared', '-fPIC'], options);

/** The command that mounts what a machine shares with the host. */
export const buildShare = (directory: string, options: { signal?: AbortSignal } = {}): Promise<string> =>
  compile(directory, ['share.c'], 'share-KEY', [], options);

/** Compiles sources of `native/`, unless the result is there already; its path. */
async function compile(
  directory: string,
  sources: readonly string[],
  name: string,
  flags: readonly string[],
  options: { signal?: AbortSignal },
): Promise<string> {
  const paths = sources.map((source) => fileURLToPath(new URL(`../native/${source}`, import.meta.url)));
  const hash = createHash('sha256').update(JSON.stringify(flags));
  for (const path of paths) hash.update(await readFile(path));
  const path = join(directory, name.replace('KEY', hash.digest('hex').slice(0, 16)));
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    return path;
  await mkdir(directory, { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await run('gcc', [...flags, '-O2', '-s', '-o', temporary, ...paths], options);
  await rename(temporary, path);
  return path;
}
