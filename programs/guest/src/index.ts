/**
 * Builds what a VM boots: the distribution's kernel, and an initramfs with the agent as process 1 and the few modules it
 * loads. Everything is keyed by content, made beside its place and renamed into it, so a build that was killed leaves
 * nothing half-made and a second build does nothing.
 */
import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { buildAgent } from './agent.ts';
import { cpio, type CpioEntry } from './cpio.ts';
import { commandLines } from './command-line.ts';
import { fetchKernel } from './kernel.ts';

export { buildAgent, type Agent, type AgentBuild } from './agent.ts';

export interface GuestOptions {
  /** Kept between builds: kernel package contents, compiled agents. */
  readonly cacheDir: string;
  /** Receives `vmlinuz-<key>` and `initramfs-<key>`. */
  readonly outputDir: string;
  /** One line a step, for people. */
  readonly progress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface Guest {
  readonly kernel: string;
  readonly initramfs: string;
  /** e.g. `6.1.0-56-amd64`. */
  readonly kernelVersion: string;
  readonly agentVersion: string;
  /** What the kernel is told, by how the VM will be run. */
  readonly commandLine: { readonly kvm: string; readonly tcg: string };
  /** Twenty hex digits: the hash of all inputs, for the keys of templates. */
  readonly key: string;
}

/** How a signed module ends (scripts/sign-file.c of the kernel). */
const SIGNED = Buffer.from('~Module signature appended~\n');

/** Faults: `guest-kernel-unavailable`, `guest-module-missing`, and `command-*` of the compiler. */
export async function buildGuest(options: GuestOptions): Promise<Guest> {
  const progress = options.progress ?? (() => undefined);
  const kernel = await fetchKernel(options.cacheDir, progress, options.signal);
  const agent = await buildAgent(options.cacheDir, options.signal === undefined ? {} : { signal: options.signal });
  const hash = createHash('sha256').update(kernel.version).update(agent.version);
  let signed = true;
  const lists: { name: string; modules: { name: string; data: Buffer }[] }[] = [];
  for (const name of ['first', 'second']) {
    const modules = [];
    for (const file of (await readdir(join(kernel.directory, name))).sort()) {
      const data = await readFile(join(kernel.directory, name, file));
      hash.update(file).update(data);
      signed &&= data.subarray(-SIGNED.length).equals(SIGNED);
      modules.push({ name: file.replace(/^\d+-|\.ko$/g, ''), data });
    }
    lists.push({ name, modules });
  }
  const key = hash.digest('hex').slice(0, 20);
  const guest: Guest = {
    kernel: join(options.outputDir, `vmlinuz-${key}`),
    initramfs: join(options.outputDir, `initramfs-${key}`),
    kernelVersion: kernel.version,
    agentVersion: agent.version,
    commandLine: await commandLines(agent, signed),
    key,
  };
  // The initramfs is renamed into place last: where it is, the kernel is too.
  if (
    await readFile(guest.initramfs).then(
      () => true,
      () => false,
    )
  )
    return guest;

  progress('making the initramfs');
  await mkdir(options.outputDir, { recursive: true });
  const entries: CpioEntry[] = [
    { path: 'm', mode: 0o755 },
    { path: 'init', mode: 0o755, data: await readFile(agent.path) },
  ];
  for (const list of lists) {
    entries.push({ path: `m/${list.name}`, mode: 0o644, data: Buffer.from(`${list.modules.map((m) => m.name).join('\n')}\n`) });
    for (const module of list.modules) entries.push({ path: `m/${module.name}.ko`, mode: 0o644, data: module.data });
  }
  const archive = zstdCompressSync(cpio(entries), { params: { [constants.ZSTD_c_compressionLevel]: 19 } });
  const place = async (target: string, make: (path: string) => Promise<void>) => {
    const temporary = `${target}.${randomUUID()}`;
    await make(temporary);
    await rename(temporary, target);
  };
  await place(guest.kernel, (path) => copyFile(join(kernel.directory, 'vmlinuz'), path));
  await place(guest.initramfs, (path) => writeFile(path, archive));
  return guest;
}
