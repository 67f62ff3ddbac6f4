import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { TarReader } from '@berth/images';
import type { DockerCli } from '../oracle/index.ts';

/** An image as `docker save` writes it: for each layer what is in it, one line a member. */
export async function savedLayers(docker: DockerCli, image: string, folder: string): Promise<string[][]> {
  const path = join(folder, `${image.replaceAll(/\W/g, '-')}.tar`);
  await docker.ok(['save', '-o', path, image]);
  return (await readArchive(path)).layers;
}

export async function readArchive(path: string): Promise<{ layers: string[][]; config: Record<string, unknown> }> {
  const files = new Map<string, Buffer>();
  const links = new Map<string, string>();
  const reader = new TarReader(createReadStream(path));
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const pieces: Buffer[] = [];
    for await (const piece of reader.body()) pieces.push(Buffer.from(piece));
    if (entry.kind === 'file') files.set(entry.path, Buffer.concat(pieces));
    if (entry.kind === 'symlink') links.set(entry.path, join(entry.path, '..', entry.linkPath));
  }
  const [manifest] = JSON.parse(files.get('manifest.json')?.toString() ?? '[]') as { Layers: string[]; Config: string }[];
  const configuration = JSON.parse(files.get(manifest?.Config ?? '')?.toString() ?? '{}') as { config?: Record<string, unknown> };
  const layers = (manifest?.Layers ?? []).map((layer) => members(files.get(layer) ?? files.get(links.get(layer) ?? '') ?? Buffer.alloc(0)));
  return { layers: await Promise.all(layers), config: configuration.config ?? {} };
}

/** What lies over the lowest layer, whatever layer it is in: the last that was said of each path. */
export function folded(layers: readonly (readonly string[])[]): string[] {
  const all = new Map<string, string>();
  for (const line of layers.slice(1).flat()) all.set(line.replace(/ (?:file|directory|symlink|hardlink|fifo) .*$/, ''), line);
  return [...all.values()].sort();
}

async function members(tar: Buffer): Promise<string[]> {
  // Of two members of one name the later one counts.
  const lines = new Map<string, string>();
  const reader = new TarReader(
    (async function* () {
      yield tar;
    })(),
  );
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const hash = createHash('sha256');
    for await (const piece of reader.body()) hash.update(piece);
    const content = entry.kind === 'file' ? ` ${entry.sizeBytes} ${hash.digest('hex').slice(0, 8)}` : '';
    const name = entry.path.replace(/^\.?\//, '').replace(/\/$/, '');
    const isDeletion = /(?:^|\/)\.wh\./.test(name);
    lines.set(name, isDeletion ? name : `${name} ${entry.kind} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${entry.linkPath}${content}`);
  }
  return [...lines.values()].sort();
}
