import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '@berth/kit';
import { run } from '@berth/sys';
import { collectModules, FIRST_MODULES, SECOND_MODULES } from './modules.ts';

/** A kernel as the cache keeps it: `vmlinuz`, `first/NN-name.ko`, `second/NN-name.ko`. */
export interface Kernel {
  readonly version: string;
  readonly directory: string;
}

/** Changes when what is kept of a package changes, so that an older cache is made anew. */
const LAYOUT = 3;

/**
 * The guest's kernel: the distribution's package, downloaded and unpacked but not installed. Once in the cache it needs
 * no network. Faults `guest-kernel-unavailable`, `guest-module-missing`.
 */
export async function fetchKernel(cacheDir: string, progress: (line: string) => void, signal?: AbortSignal): Promise<Kernel> {
  await mkdir(cacheDir, { recursive: true });
  const marker = join(cacheDir, `kernel-${LAYOUT}.json`);
  const known = await readFile(marker, 'utf8').catch(() => undefined);
  if (known !== undefined) {
    const { version } = JSON.parse(known) as { version: string };
    const directory = join(cacheDir, `kernel-${LAYOUT}-${version}`);
    // Somebody may have tidied the cache up: then it is filled again.
    const whole = await stat(join(directory, 'vmlinuz')).then(
      () => true,
      () => false,
    );
    if (whole) return { version, directory };
  }

  const work = await mkdtemp(join(cacheDir, 'unpack-'));
  try {
    const packages = await packageNames();
    progress(`downloading ${packages.join(', ')}`);
    const options = { cwd: work, timeoutMs: 600_000, ...(signal === undefined ? {} : { signal }) };
    await run('apt-get', ['download', '-q', ...packages], options).catch((cause: unknown) => {
      throw new Fault('unavailable', 'guest-kernel-unavailable', `could not download the guest's kernel (${packages.join(', ')})`, {
        cause,
      });
    });
    progress('unpacking the kernel');
    const root = join(work, 'root');
    for (const name of await readdir(work)) {
      if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(work, name), root], options);
    }
    const { version, image, modules } = await locate(root);
    const kept = join(work, 'kept');
    await mkdir(kept);
    await copyFile(image, join(kept, 'vmlinuz'));
    const lists = await collectModules(modules, [FIRST_MODULES, SECOND_MODULES]);
    for (const [index, list] of lists.entries()) {
      const folder = join(kept, index === 0 ? 'first' : 'second');
      await mkdir(folder);
      for (const [place, module] of list.entries()) {
        await writeFile(join(folder, `${String(place).padStart(2, '0')}-${module.name}.ko`), module.data);
      }
    }
    const directory = join(cacheDir, `kernel-${LAYOUT}-${version}`);
    // Another build may have put the same contents there meanwhile, and be reading them.
    await rename(kept, directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    const temporary = `${marker}.${randomUUID()}`;
    await writeFile(temporary, JSON.stringify({ version }));
    await rename(temporary, marker);
    return { version, directory };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Debian: linux-image-amd64 depends on the versioned image. Ubuntu: linux-image-generic, and modules in a package beside. */
async function packageNames(): Promise<string[]> {
  for (const meta of ['linux-image-amd64', 'linux-image-generic']) {
    const { stdout } = await run('apt-cache', ['show', '--no-all-versions', meta], { accept: [0, 100] });
    const image = /^Depends:.*?\b(linux-image-(?:unsigned-)?\d[^\s,]*)/m.exec(stdout)?.[1];
    if (image === undefined) continue;
    const modules = image.replace(/^linux-image-(?:unsigned-)?/, 'linux-modules-');
    const beside = await run('apt-cache', ['show', '--no-all-versions', modules], { accept: [0, 100] });
    return beside.stdout.includes(`Package: ${modules}`) ? [image, modules] : [image];
  }
  throw new Fault('unavailable', 'guest-kernel-unavailable', 'this system offers no linux-image-amd64 or linux-image-generic package');
}

/** Where the distribution put things: /boot or beside the modules, /lib or /usr/lib. */
async function locate(root: string): Promise<{ version: string; image: string; modules: string }> {
  for (const lib of ['lib/modules', 'usr/lib/modules']) {
    for (const version of await readdir(join(root, lib)).catch(() => [])) {
      const modules = join(root, lib, version);
      const inBoot = join(root, 'boot', `vmlinuz-${version}`);
      const beside = join(modules, 'vmlinuz');
      for (const image of [inBoot, beside]) {
        const found = await readFile(image).then(
          () => true,
          () => false,
        );
        if (found) return { version, image, modules };
      }
    }
  }
  throw new Fault('internal', 'guest-kernel-unavailable', 'the kernel package holds no kernel where one was expected');
}
