import { archiveInvalid, digestMismatch } from '../faults.ts';
import { type ArchivedImage, archivedImage } from './archived-image.ts';
import { type Descriptor, ociIndex, ociLayout, ociManifest, parseDocument } from './documents.ts';
import type { Spool, SpooledFile } from './spool.ts';

const INDEX_TYPES = new Set(['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']);
const MAX_DEPTH = 4;

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** The images of an OCI image layout (image-spec, "Image Layout"): of each multi-platform index the one for `platform`. */
export async function readOciArchive(spool: Spool, platform: Platform): Promise<ArchivedImage[]> {
  const layout = parseDocument(ociLayout, await spool.document('oci-layout'), 'oci-layout');
  if (!layout.imageLayoutVersion.startsWith('1.')) throw archiveInvalid(`invalid archive: image layout version ${layout.imageLayoutVersion}`);
  const index = parseDocument(ociIndex, await spool.document('index.json'), 'index.json');
  // The same image may stand there several times, once for each name.
  const images = new Map<string, ArchivedImage>();
  for (const descriptor of index.manifests) {
    const manifest = await choose(spool, descriptor, platform, 0);
    if (manifest === undefined) continue;
    const image = await readManifest(spool, manifest, namesOf(descriptor));
    const known = images.get(image.id);
    images.set(image.id, known === undefined ? image : { ...known, references: [...new Set([...known.references, ...image.references])] });
  }
  return [...images.values()];
}

/** Follows indexes down to the manifest for the platform. */
async function choose(spool: Spool, descriptor: Descriptor, platform: Platform, depth: number): Promise<Descriptor | undefined> {
  const { name, data } = await blob(spool, descriptor);
  const isIndex = INDEX_TYPES.has(descriptor.mediaType ?? '') || (descriptor.mediaType === undefined && data.includes('"manifests"'));
  if (!isIndex) return matches(descriptor, platform) ? descriptor : undefined;
  if (depth >= MAX_DEPTH) throw archiveInvalid('invalid archive: indexes are nested too deeply');
  const index = parseDocument(ociIndex, data, name);
  for (const candidate of index.manifests) {
    if (!matches(candidate, platform)) continue;
    const found = await choose(spool, candidate, platform, depth + 1);
    if (found !== undefined) return found;
  }
  throw archiveInvalid(`no image for platform ${platform.os}/${platform.architecture} in the archive`);
}

/** Without a platform it may be anything. Attestations say `unknown/unknown`. */
function matches(descriptor: Descriptor, platform: Platform): boolean {
  const own = descriptor.platform;
  return own == null || (own.os === platform.os && own.architecture === platform.architecture);
}

async function readManifest(spool: Spool, descriptor: Descriptor, references: readonly string[]): Promise<ArchivedImage> {
  const { name, data } = await blob(spool, descriptor);
  const manifest = parseDocument(ociManifest, data, name);
  const config = await blob(spool, manifest.config);
  return archivedImage(
    config.data,
    config.name,
    manifest.layers.map((layer) => checked(spool, layer).file),
    references,
  );
}

/**
 * containerd and Docker write the full name; the specification's own annotation may hold a full name or just a tag, and a
 * tag alone names nothing.
 */
function namesOf(descriptor: Descriptor): string[] {
  const full = descriptor.annotations?.['io.containerd.image.name'];
  if (full !== undefined) return [full];
  const name = descriptor.annotations?.['org.opencontainers.image.ref.name'];
  return name !== undefined && /[:/]/.test(name) ? [name] : [];
}

async function blob(spool: Spool, descriptor: Descriptor): Promise<{ name: string; data: Buffer }> {
  const { name } = checked(spool, descriptor);
  return { name, data: await spool.document(name) };
}

function checked(spool: Spool, descriptor: Descriptor): { name: string; file: SpooledFile } {
  const name = `blobs/sha256/${descriptor.digest.slice(7)}`;
  const file = spool.file(name);
  if (file === undefined) throw archiveInvalid(`invalid archive: ${name} is missing`);
  if (file.digest !== descriptor.digest) throw digestMismatch(`digest for ${name}`, descriptor.digest, file.digest);
  if (file.sizeBytes !== descriptor.size) throw archiveInvalid(`invalid archive: ${name} is ${file.sizeBytes} bytes, not ${descriptor.size}`);
  return { name, file };
}
