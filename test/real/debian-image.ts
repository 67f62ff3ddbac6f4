import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { run } from '@berth/sys';

const cached = '/var/cache/berth-test/debian-python3.tar';

/**
 * A tar of a small Debian root file system with the whole of Python 3, made with mmdebstrap from the machine's own apt sources the first
 * time (half a minute or more) and kept. Gives its path.
 */
export async function debianPythonTar(): Promise<string> {
  if (existsSync(cached)) return cached;
  await mkdir(dirname(cached), { recursive: true });
  const partial = `${cached}.${randomUUID()}`;
  await run(
    'mmdebstrap',
    [
      '--variant=minbase',
      '--include=python3',
      '--dpkgopt=path-exclude=/usr/share/doc/*',
      '--dpkgopt=path-exclude=/usr/share/locale/*',
      '--format=tar',
      'bookworm',
      partial,
    ],
    { timeoutMs: 400_000 },
  );
  await rename(partial, cached);
  return cached;
}
