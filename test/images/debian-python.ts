import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@berth/sys';

/** Kept between runs, for making it takes a minute and a network. */
const CACHE = process.env['BERTH_TEST_CACHE'] ?? '/var/cache/berth-test';

let made: Promise<string> | undefined;

/**
 * Gives the path of a tar with a real Debian root file system and Python in it (about 190 MB), made by mmdebstrap from the
 * machine's own package sources the first time. Several processes may ask at once.
 */
export function debianPythonTar(): Promise<string> {
  made ??= make();
  return made;
}

async function make(): Promise<string> {
  const path = join(CACHE, 'debian-python.tar');
  if (
    await access(path).then(
      () => true,
      () => false,
    )
  )
    return path;
  await mkdir(CACHE, { recursive: true });
  const unfinished = join(CACHE, `debian-python.${process.pid}.tmp`);
  try {
    const release = (await run('sh', ['-c', '. /etc/os-release; echo "$VERSION_CODENAME"'])).stdout.trim();
    await run('mmdebstrap', ['--format=tar', '--variant=minbase', '--include=python3-minimal', release, unfinished], { timeoutMs: 600_000 });
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  return path;
}
