import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sparseChecksum } from './checksum.ts';

/** A template on disk: guest memory and device state, saved at one moment, never written again. */
export interface Template {
  readonly name: string;
  readonly directory: string;
  readonly ram: string;
  readonly state: string;
  /** The writable layer that was mounted when an image's template was saved: a clone begins with a copy of it. */
  readonly scratch: string;
  /** Number of layers whose file systems are mounted in it. */
  readonly layers: number;
}

interface Manifest {
  readonly version: 2;
  readonly layers: number;
  readonly checksums: { readonly ram: string; readonly state: string; readonly scratch?: string };
}

export function templateAt(directory: string, name: string, layers: number): Template {
  return { name, directory, ram: join(directory, 'ram'), state: join(directory, 'state'), scratch: join(directory, 'scratch'), layers };
}

export async function makeManifest(template: Template): Promise<string> {
  const [ram, state] = await Promise.all([sparseChecksum(template.ram), sparseChecksum(template.state)]);
  const scratch = template.layers === 0 ? {} : { scratch: await sparseChecksum(template.scratch) };
  const manifest: Manifest = { version: 2, layers: template.layers, checksums: { ram, state, ...scratch } };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** `absent`, `whole`, or a sentence that says what is damaged. */
export async function verifyTemplate(directory: string, name: string): Promise<'absent' | { template: Template } | { damage: string }> {
  if (
    !(await stat(directory).then(
      () => true,
      () => false,
    ))
  )
    return 'absent';
  try {
    const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
    if (manifest.version !== 2) return { damage: 'its manifest is of another version' };
    const template = templateAt(directory, name, manifest.layers);
    if ((await sparseChecksum(template.state)) !== manifest.checksums.state) return { damage: 'its device state has changed' };
    if (template.layers > 0 && (await sparseChecksum(template.scratch)) !== manifest.checksums.scratch) return { damage: 'its writable layer has changed' };
    if ((await sparseChecksum(template.ram)) !== manifest.checksums.ram) return { damage: 'its memory has changed' };
    return { template };
  } catch (error) {
    return { damage: `it cannot be read (${error instanceof Error ? error.message : String(error)})` };
  }
}
