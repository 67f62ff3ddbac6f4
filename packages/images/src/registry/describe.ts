import { configuration, ociIndex, ociManifest } from '../archive/documents.ts';
import { registryLied, remoteMissing } from '../faults.ts';
import type { Limits } from '../limits.ts';
import { parseNamed, withDefaultTag } from '../reference.ts';
import { wholeBody } from './answer-body.ts';
import type { Credentials } from './credentials.ts';
import { CONFIGS, INDEXES, MANIFESTS } from './media-types.ts';
import type { Description } from './port.ts';
import { hostOf, json, Repository } from './repository.ts';
import { Session, type SessionDeps } from './session.ts';

/** `GET /distribution/…/json`: what a registry has under a name, without fetching it. */
export async function describeImage(
  deps: SessionDeps,
  reference: string,
  limits: Limits,
  credentials: Credentials,
  signal?: AbortSignal,
): Promise<Description> {
  const named = withDefaultTag(parseNamed(reference));
  const session = await Session.open(deps, hostOf(named.name), credentials, signal);
  const repository = new Repository(session, named.name, limits.documentBytes);
  const { digest, mediaType, body } = await repository.manifest(named.digest ?? named.tag ?? '', ({ sentence }) => remoteMissing(sentence), signal);
  const description = { mediaType, digest, sizeBytes: body.length };
  if (INDEXES.has(mediaType)) {
    const index = ociIndex.safeParse(json(body));
    if (!index.success) throw registryLied(`manifest ${digest} can't be read`);
    return { ...description, platforms: index.data.manifests.flatMap(({ platform }) => (platform == null ? [] : [plain(platform)])) };
  }
  const manifest = ociManifest.safeParse(json(body));
  if (!MANIFESTS.has(mediaType) || !manifest.success) throw registryLied(`manifest ${digest} of type ${JSON.stringify(mediaType)} can't be read`);
  const { config } = manifest.data;
  if (!CONFIGS.has(config.mediaType ?? '')) return { ...description, platforms: [] };
  if (config.size > limits.documentBytes) throw registryLied(`the image's configuration is larger than ${limits.documentBytes} bytes`);
  const data = configuration.safeParse(json(await wholeBody(await repository.blob(config.digest, 0, signal), config.size, 'the image’s configuration')));
  const { os = '', architecture = '' } = data.data ?? {};
  const variant = data.data?.['variant'];
  return { ...description, platforms: [plain({ os, architecture, variant: typeof variant === 'string' ? variant : undefined })] };
}

function plain({ os, architecture, variant }: { os: string; architecture: string; variant?: string | undefined }) {
  return { architecture, os, ...(variant === undefined ? {} : { variant }) };
}
