import { isFault } from '@berth/kit';
import { referenceInvalid, remoteMissing } from '../faults.ts';
import { type ImagePlatform, parsePlatform, platformRank } from '../platform.ts';
import type { Image } from '../port.ts';
import { DEFAULT_DOMAIN, familiar, familiarName, type NamedReference, parseNamed, withDefaultTag } from '../reference.ts';
import type { RegistryContext } from './context.ts';
import { fetchLayers } from './fetch-layers.ts';
import type { Exchanged, PullOptions } from './port.ts';
import type { RegistryError } from './registry-error.ts';
import { chooseManifest, readImage, type RemoteImage } from './remote-image.ts';
import { hostOf, type RemoteDocument, Repository } from './repository.ts';
import { Session } from './session.ts';

/** `docker pull`: of one tag or digest, or of all tags. Mirrors are asked first, where there are any. */
export async function pullImages(context: RegistryContext, reference: string, options: PullOptions): Promise<Exchanged> {
  const named = options.all ? parseNamed(reference) : withDefaultTag(parseNamed(reference));
  if (options.all && (named.tag !== undefined || named.digest !== undefined)) throw referenceInvalid('tag can’t be used with --all-tags/-a');
  const platform = parsePlatform(options.platform, context.architecture);
  const host = hostOf(named.name);
  context.policy.requireAllowed(host);
  for (const mirror of host === DEFAULT_DOMAIN ? context.policy.mirrors : []) {
    try {
      const session = await Session.openMirror(context, mirror, options.signal);
      return await pullFrom(context, new Repository(session, named.name, context.limits.documentBytes), named, platform, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isFault(error)) throw error;
      context.log?.info({ mirror: mirror.host, reference, why: error.message }, 'a mirror could not help');
    }
  }
  const session = await Session.open(context, host, options.credentials ?? {}, options.signal);
  return pullFrom(context, new Repository(session, named.name, context.limits.documentBytes), named, platform, options);
}

async function pullFrom(
  context: RegistryContext,
  repository: Repository,
  named: NamedReference,
  platform: ImagePlatform,
  options: PullOptions,
): Promise<Exchanged> {
  const references = options.all
    ? (await repository.tags((error) => missing(familiarName(named.name), error), options.signal)).map((tag) => ({ ...named, tag }))
    : [named];
  const images: Image[] = [];
  let anyNew = false;
  for (const one of references) {
    const { image, isNew } = await pullOne(context, repository, one, platform, options);
    images.push(image);
    anyNew ||= isNew;
  }
  options.progress({ status: `Status: ${anyNew ? 'Downloaded newer image for' : 'Image is up to date for'} ${familiar(named)}` });
  return { reference: familiar(named), name: familiarName(named.name), images };
}

async function pullOne(
  context: RegistryContext,
  repository: Repository,
  named: NamedReference,
  platform: ImagePlatform,
  options: PullOptions,
): Promise<{ image: Image; isNew: boolean }> {
  const { rows, layers, files, limits } = context;
  const { progress, signal } = options;
  const wanted = named.digest ?? named.tag ?? '';
  const known = await knownImage(context, repository, named, options);
  if (known !== undefined) return known;
  const top = await repository.manifest(wanted, (error) => missing(familiar(named), error), signal);
  progress({ status: `Pulling from ${repository.path}`, id: wanted });
  const remote = await readImage(repository, await chooseManifest(repository, top, platform, signal), limits, signal);

  const diffIds = remote.layers.map(({ diffId }) => diffId);
  using _pinned = layers.pin(diffIds);
  await using workspace = await files.workspace();
  if (rows.image(remote.id) === undefined) await fetchLayers(context, repository, remote, workspace, progress, signal);

  progress({ status: `Digest: ${top.digest}` });
  const isNew = commit(context, named, remote, top);
  const image = rows.image(remote.id);
  if (image === undefined) throw remoteMissing(`image ${remote.id} was removed while it was pulled`);
  if (options.platform !== undefined && platformRank(remote.platform, platform) === undefined) {
    const is = [remote.platform.os, remote.platform.architecture, remote.platform.variant].filter((part) => part !== undefined).join('/');
    const asked = [platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined).join('/');
    const text = `image with reference ${familiar(named)} was found but does not match the specified platform: wanted ${asked}, actual: ${is}`;
    progress({ status: `WARNING: ${text}` });
  }
  return { image, isNew };
}

/**
 * When a tag stands for what is here already, nothing has to be fetched to know it. The digest may be an index's, of which
 * another platform's image was taken: that one doesn't count.
 */
async function knownImage(
  { rows, now, architecture }: RegistryContext,
  repository: Repository,
  { name, tag, digest: given }: NamedReference,
  { platform, progress, signal }: PullOptions,
): Promise<{ image: Image; isNew: boolean } | undefined> {
  const digest = given ?? (await repository.digestOf(tag ?? 'latest', signal));
  const id = digest === undefined ? undefined : rows.digestedImage(name, digest);
  if (digest === undefined || id === undefined || platform !== undefined || rows.image(id)?.configuration.architecture !== architecture) return undefined;
  progress({ status: `Pulling from ${repository.path}`, id: given ?? tag });
  progress({ status: `Digest: ${digest}` });
  const isNew = given === undefined && rows.taggedImage(name, tag ?? 'latest') !== id;
  if (isNew) rows.transaction(() => rows.putTag(name, tag ?? 'latest', id, now()));
  const image = rows.image(id);
  return image === undefined ? undefined : { image, isNew };
}

/** The image and its names at once. True when a name says something else than before. */
function commit({ rows, remembered, now }: RegistryContext, { name, tag, digest }: NamedReference, remote: RemoteImage, top: RemoteDocument): boolean {
  return rows.transaction(() => {
    const before = digest === undefined ? rows.taggedImage(name, tag ?? '') : rows.digestedImage(name, top.digest);
    const nowMs = now();
    const diffIds = remote.layers.map(({ diffId }) => diffId);
    rows.putImage(remote.id, remote.configuration, diffIds, nowMs);
    if (digest === undefined) rows.putTag(name, tag ?? 'latest', remote.id, nowMs);
    rows.putDigest(name, top.digest, remote.id);
    const { digest: manifestDigest, mediaType, body } = remote.manifest;
    remembered.putManifest(remote.id, { digest: manifestDigest, media_type: mediaType, body });
    for (const diffId of diffIds) remembered.release(diffId);
    return before !== remote.id;
  });
}

/** What can't be seen, in dockerd's three sentences. */
function missing(familiarReference: string, { code, sentence }: RegistryError): Error {
  if (code === 'NAME_UNKNOWN') return remoteMissing(`repository ${familiarReference} not found: ${sentence}`);
  if (code === 'DENIED') {
    const name = familiarReference.replace(/(?::[^/:]*|@.*)$/, '');
    return remoteMissing(`pull access denied for ${name}, repository does not exist or may require 'docker login': ${sentence}`);
  }
  return remoteMissing(`manifest for ${familiarReference} not found: ${sentence}`);
}
