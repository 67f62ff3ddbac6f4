import type { z } from 'zod';
import { configuration, type Descriptor, ociIndex, ociManifest } from '../archive/documents.ts';
import { digestMismatch, registryLied, remoteMissing } from '../faults.ts';
import type { Limits } from '../limits.ts';
import { type ImagePlatform, platformRank } from '../platform.ts';
import { wholeBody } from './answer-body.ts';
import { CONFIGS, INDEXES, LAYERS, MANIFESTS } from './media-types.ts';
import { json, type RemoteDocument, type Repository } from './repository.ts';
import { sha256 } from '../digest.ts';

const MAX_DEPTH = 4;
const MAX_LAYERS = 500;

/** An image that has been described, and not yet fetched: everything but its layers has been checked. */
export interface RemoteImage {
  /** Of the one manifest, whatever index it was found in. */
  readonly manifest: RemoteDocument;
  /** Verbatim. */
  readonly configuration: Buffer;
  readonly id: string;
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant?: string | undefined };
  /** Lowest first. `diffId` is a claim until the layer has been read. */
  readonly layers: readonly { readonly diffId: string; readonly descriptor: Descriptor }[];
}

/** Follows indexes to the manifest for a platform. Faults: `remote-missing` in Docker's words, `registry-answer-invalid`. */
export async function chooseManifest(repository: Repository, top: RemoteDocument, platform: ImagePlatform, signal?: AbortSignal): Promise<RemoteDocument> {
  let document = top;
  for (let depth = 0; INDEXES.has(document.mediaType); depth++) {
    if (depth === MAX_DEPTH) throw registryLied('indexes are nested too deeply');
    const index = parsed(ociIndex, document);
    const chosen = index.manifests
      .map((candidate, position) => ({ candidate, position, rank: platformRank(candidate.platform ?? undefined, platform) }))
      .filter(({ rank }) => rank !== undefined)
      .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0) || a.position - b.position)[0]?.candidate;
    if (chosen === undefined) {
      const wanted = [platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined).join('/');
      throw remoteMissing(`no matching manifest for ${wanted} in the manifest list entries`);
    }
    document = await repository.manifest(chosen.digest, ({ sentence }) => remoteMissing(sentence), signal);
    if (document.body.length !== chosen.size) throw registryLied(`manifest ${chosen.digest} is ${document.body.length} bytes, not ${chosen.size}`);
  }
  return document;
}

/** Reads manifest and configuration. */
export async function readImage(repository: Repository, document: RemoteDocument, limits: Limits, signal?: AbortSignal): Promise<RemoteImage> {
  if (!MANIFESTS.has(document.mediaType)) throw registryLied(unsupported(document.mediaType));
  const manifest = parsed(ociManifest, document);
  if (manifest.mediaType !== undefined && manifest.mediaType !== document.mediaType) {
    throw registryLied(`the registry calls ${document.digest} ${document.mediaType}, the manifest itself says ${manifest.mediaType}`);
  }
  const kind = manifest.config.mediaType ?? '';
  if (!CONFIGS.has(kind)) throw registryLied(`${document.digest} is no container image but ${JSON.stringify(kind)}`);
  if (manifest.layers.length > MAX_LAYERS) throw registryLied(`the image has ${manifest.layers.length} layers; ${MAX_LAYERS} are the limit`);
  for (const layer of manifest.layers) {
    if (!LAYERS.has(layer.mediaType ?? '')) throw registryLied(`layers of type ${JSON.stringify(layer.mediaType ?? '')} can't be read`);
    if (layer.size > limits.layerBytes) throw registryLied(`layer ${layer.digest} is larger than the limit of ${limits.layerBytes} bytes`);
  }
  const data = await configurationOf(repository, manifest.config, limits, signal);
  const config = configuration.safeParse(json(data));
  if (!config.success) throw registryLied(`the image's configuration ${manifest.config.digest} is not one`);
  const { os = 'linux', architecture = '', rootfs } = config.data;
  const variant = config.data['variant'];
  if (os !== '' && os !== 'linux') throw registryLied(`image operating system ${JSON.stringify(os)} cannot be used on this platform`);
  if (rootfs.diff_ids.length !== manifest.layers.length) {
    throw registryLied(`layers from manifest don't match image configuration: ${manifest.layers.length} and ${rootfs.diff_ids.length}`);
  }
  return {
    manifest: document,
    configuration: data,
    id: manifest.config.digest,
    platform: { os, architecture, variant: typeof variant === 'string' ? variant : undefined },
    layers: manifest.layers.map((descriptor, position) => ({ descriptor, diffId: rootfs.diff_ids[position] ?? '' })),
  };
}

async function configurationOf(repository: Repository, { digest, size }: Descriptor, limits: Limits, signal?: AbortSignal): Promise<Buffer> {
  if (size > limits.documentBytes) throw registryLied(`the image's configuration is larger than ${limits.documentBytes} bytes`);
  const data = await wholeBody(await repository.blob(digest, 0, signal), size, 'the image’s configuration');
  if (data.length !== size) throw registryLied(`blob ${digest} is ${data.length} bytes, not ${size}`);
  const actual = sha256(data);
  if (actual !== digest) throw digestMismatch('image config', digest, actual);
  return data;
}

function unsupported(mediaType: string): string {
  if (mediaType.includes('manifest.v1+')) return 'schema 1 manifests are not supported: the image has to be pushed again by a Docker of this decade';
  return `unsupported manifest media type ${JSON.stringify(mediaType)}: is this a registry?`;
}

function parsed<T>(schema: z.ZodType<T>, { body, digest }: RemoteDocument): T {
  const result = schema.safeParse(json(body));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw registryLied(`manifest ${digest} can't be read: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`);
}
