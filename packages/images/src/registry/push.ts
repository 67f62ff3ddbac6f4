import { isFault, shortId } from '@berth/kit';
import { sha256 } from '../digest.ts';
import { nothingToPush, referenceInvalid, registryUnauthenticated } from '../faults.ts';
import { ociManifest } from '../archive/documents.ts';
import type { Image } from '../port.ts';
import { familiar, familiarName, parseNamed, withDefaultTag } from '../reference.ts';
import type { RegistryContext } from './context.ts';
import { DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST } from './media-types.ts';
import type { Exchanged, PushOptions } from './port.ts';
import { type PushedLayer, pushLayer } from './push-layer.ts';
import { hostOf, json, Repository } from './repository.ts';
import { Session } from './session.ts';
import { Uploader } from './upload.ts';

/** `docker push`: one tag, or all the tags of a repository that are here. */
export async function pushImages(context: RegistryContext, reference: string, options: PushOptions): Promise<Exchanged> {
  const { rows, policy } = context;
  const named = options.all ? parseNamed(reference) : withDefaultTag(parseNamed(reference));
  if (named.digest !== undefined) throw referenceInvalid('cannot push a digest reference');
  if (options.all && named.tag !== undefined) throw referenceInvalid('tag can’t be used with --all-tags/-a');
  const host = hostOf(named.name);
  policy.requireAllowed(host);
  options.progress({ status: `The push refers to repository [${named.name}]` });
  const tags = rows.repository(named.name);
  if (tags.length === 0) throw nothingToPush(`An image does not exist locally with the tag: ${familiarName(named.name)}`);
  // In dockerd's order: who does not answer is told before what is not there.
  const session = await Session.open(context, host, options.credentials ?? {}, options.signal);
  const chosen = tags.filter(({ tag }) => options.all || tag === named.tag);
  if (chosen.length === 0) throw nothingToPush(`tag does not exist: ${familiar(named)}`);
  const repository = new Repository(session, named.name, context.limits.documentBytes);
  const images: Image[] = [];
  for (const { tag, image_id: id } of chosen) {
    const image = rows.image(id);
    if (image === undefined) continue;
    await pushOne(context, repository, image, tag, options);
    images.push(image);
  }
  return { reference: familiar(named), name: familiarName(named.name), images };
}

async function pushOne(context: RegistryContext, repository: Repository, image: Image, tag: string, { progress, signal }: PushOptions): Promise<void> {
  const { rows, layers, remembered } = context;
  const diffIds = image.layers.map(({ diffId }) => diffId);
  const configuration = rows.configuration(image.id) ?? Buffer.alloc(0);
  using _pinned = layers.pin(diffIds);
  const distinct = [...new Set(diffIds)];
  for (const diffId of distinct.toReversed()) progress({ status: 'Preparing', progressDetail: {}, id: shortId(diffId) });

  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const uploader = new Uploader(repository, either);
  const pushed = new Map<string, PushedLayer>();
  const outcomes = await Promise.allSettled(
    distinct.toReversed().map(async (diffId) => {
      try {
        pushed.set(diffId, await pushLayer(context, repository, uploader, diffId, progress, either));
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }),
  );
  signal?.throwIfAborted();
  if (outcomes.some(({ status }) => status === 'rejected')) throw withoutRequest(stop.signal.reason);

  await uploader.document(configuration, image.id);
  const blobs = diffIds.map((diffId) => pushed.get(diffId) as PushedLayer);
  const { body, mediaType } = earlierManifest(context, image, blobs) ?? newManifest(image.id, configuration.length, blobs);
  const digest = sha256(body);
  await uploader.manifest(tag, mediaType, body, digest);
  rows.transaction(() => {
    if (rows.image(image.id) === undefined) return;
    rows.putDigest(repository.fullName, digest, image.id);
    remembered.putManifest(image.id, { digest, media_type: mediaType, body });
  });
  progress({ status: `${tag}: digest: ${digest} size: ${body.length}` });
  progress({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: body.length } });
}

/** Of a push dockerd says only what is missing, not in which request. */
function withoutRequest(error: unknown): unknown {
  const bare = isFault(error, 'registry-unauthenticated') ? /^\w+ "[^"]*": (.*)$/s.exec(error.message)?.[1] : undefined;
  return bare === undefined ? error : registryUnauthenticated(bare);
}

/** The manifest an image was pulled or pushed by before, when its layers still have the same form: the digest stays what it was. */
function earlierManifest({ remembered }: RegistryContext, image: Image, blobs: readonly PushedLayer[]): { body: Buffer; mediaType: string } | undefined {
  for (const { body, media_type: mediaType } of remembered.manifests(image.id)) {
    const manifest = ociManifest.safeParse(json(body)).data;
    const fits = manifest?.layers.length === blobs.length && manifest.layers.every(({ digest }, position) => digest === blobs[position]?.digest);
    if (fits) return { body, mediaType };
  }
  return undefined;
}

/** Docker's schema 2, which everybody reads; OCI's where a layer has a form that only it has. Written as Go writes it. */
function newManifest(configDigest: string, configBytes: number, blobs: readonly PushedLayer[]): { body: Buffer; mediaType: string } {
  const docker = blobs.every(({ mediaType }) => mediaType === DOCKER_LAYER);
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const inOci = (type: string) => (type === DOCKER_LAYER ? 'application/vnd.oci.image.layer.v1.tar+gzip' : type);
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: docker ? DOCKER_CONFIG : OCI_CONFIG, size: configBytes, digest: configDigest },
    layers: blobs.map((blob) => ({ mediaType: docker ? blob.mediaType : inOci(blob.mediaType), size: blob.sizeBytes, digest: blob.digest })),
  };
  return { body: Buffer.from(JSON.stringify(manifest, null, 3)), mediaType };
}
