import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { Fault } from '@berth/kit';
import { run } from '@berth/sys';

/**
 * Loaded first, with the bus binding drivers to devices by itself. Checksums come before ext4, which would otherwise ask
 * a modprobe that doesn't exist for them.
 */
export const FIRST_MODULES = [
  'virtio_mmio',
  'virtio_console',
  'virtio_balloon',
  'virtio_rng',
  'crc32c_generic',
  'crc32c_intel',
  'squashfs',
  'overlay',
  'ext4',
  'af_packet',
] as const;

/** Loaded when the bus no longer binds by itself: their devices are bound one by one, when a clone uses them. */
export const SECOND_MODULES = ['virtio_blk', 'virtio_net', '9pnet_virtio', '9p'] as const;

export interface Module {
  readonly name: string;
  /** Decompressed ELF. */
  readonly data: Buffer;
}

/**
 * Reads the named modules and all they depend on from an unpacked kernel package, in an order in which they can be
 * loaded. Modules built into the kernel are left out. Fault `guest-module-missing`.
 */
export async function collectModules(directory: string, lists: readonly (readonly string[])[]): Promise<Module[][]> {
  const files = new Map<string, string>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const match = /^(.+)\.ko(\.xz|\.zst|\.gz)?$/.exec(entry.name);
    if (entry.isFile() && match?.[1] !== undefined) files.set(canonical(match[1]), join(entry.parentPath, entry.name));
  }
  const builtinList = await readFile(join(directory, 'modules.builtin'), 'utf8').catch(() => '');
  const builtin = new Set(builtinList.split('\n').map((line) => canonical(basename(line).replace(/\.ko.*$/, ''))));
  const seen = new Set<string>();
  const result: Module[][] = [];
  for (const list of lists) {
    const modules: Module[] = [];
    const visit = async (name: string): Promise<void> => {
      if (seen.has(name) || builtin.has(name)) return;
      seen.add(name);
      const path = files.get(name);
      if (path === undefined) throw new Fault('internal', 'guest-module-missing', `the kernel package has no module ${name}`);
      const data = await readModule(path);
      for (const dependency of dependencies(data)) await visit(dependency);
      modules.push({ name, data });
    };
    for (const name of list) await visit(name);
    result.push(modules);
  }
  return result;
}

const canonical = (name: string): string => name.replaceAll('-', '_');

async function readModule(path: string): Promise<Buffer> {
  const data = await readFile(path);
  if (path.endsWith('.zst')) return zstdDecompressSync(data);
  if (path.endsWith('.ko')) return data;
  // The host's own tools, to a file descriptor we can read as bytes: `run` decodes text.
  const plain = `${path}.plain`;
  await run('sh', ['-c', path.endsWith('.xz') ? 'xz -dc "$1" >"$2"' : 'gzip -dc "$1" >"$2"', 'sh', path, plain]);
  return await readFile(plain);
}

/** The `depends=` line of the module's own information section: what depmod itself reads. */
function dependencies(module: Buffer): string[] {
  const marker = Buffer.from('\0depends=');
  const at = module.indexOf(marker);
  if (at < 0) return [];
  const from = at + marker.length;
  const text = module.toString('latin1', from, module.indexOf(0, from));
  return text
    .split(',')
    .filter((name) => name !== '')
    .map(canonical);
}
