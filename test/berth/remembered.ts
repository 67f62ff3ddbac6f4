import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '@berth/sys';

/**
 * What an earlier instance on this machine found out or made and any other may begin with: whether KVM works, which takes long
 * to find out, and the template of the guest, which takes seconds to boot. The daemon checks both as it does its own, by key
 * and checksum, and makes anew what does not fit.
 */
const place = '/var/cache/berth-test';
const verdict = 'acceleration.json';
/** `<memory>-<processors>-<places>-<key>`: a flavor's. Those of images have one part more. */
const flavorTemplate = /^[^-]+-[^-]+-[^-]+-[0-9a-f]+$/;

export async function beginWith(stateDirectory: string): Promise<void> {
  const own = join(stateDirectory, 'microvm');
  await mkdir(join(own, 'templates'), { recursive: true, mode: 0o700 });
  await copyFile(join(place, verdict), join(own, verdict)).catch(() => undefined);
  for (const name of await templatesIn(join(place, 'templates'))) await copyTemplate(join(place, 'templates', name), join(own, 'templates', name));
}

export async function remember(stateDirectory: string): Promise<void> {
  const own = join(stateDirectory, 'microvm');
  await mkdir(join(place, 'templates'), { recursive: true });
  await copyFile(join(own, verdict), join(place, verdict)).catch(() => undefined);
  const made = await templatesIn(join(own, 'templates'));
  for (const name of made) if (!existsSync(join(place, 'templates', name))) await copyTemplate(join(own, 'templates', name), join(place, 'templates', name));
  const keys = new Set(made.map(keyOf));
  // Of another guest or another QEMU: nobody begins with them any more.
  for (const name of await templatesIn(join(place, 'templates')))
    if (made.length > 0 && !keys.has(keyOf(name))) await rm(join(place, 'templates', name), { recursive: true, force: true });
}

const keyOf = (name: string) => name.split('-').at(-1);

async function templatesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [] as string[])).filter((name) => flavorTemplate.test(name));
}

/** Whole or not at all, whoever else does the same. */
async function copyTemplate(from: string, to: string): Promise<void> {
  const partial = await mkdtemp(join(dirname(to), '.new-'));
  try {
    await run('cp', ['-a', '--sparse=always', `${from}/.`, partial]);
    await rename(partial, to);
  } catch {
    // Removed or made by another suite meanwhile, or no room: the daemon makes its own.
    await rm(partial, { recursive: true, force: true });
  }
}
