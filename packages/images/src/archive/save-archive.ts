import { sha256 } from '../digest.ts';
import type { LayerStore } from '../layer/layer-store.ts';
import type { Image } from '../port.ts';
import { familiar, familiarName, parseReference, withDefaultTag } from '../reference.ts';
import type { Rows } from '../store/rows.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { END_OF_ARCHIVE, padding, tarHeader } from '../tar/tar-writer.ts';

interface Chosen {
  readonly reference: string;
  readonly image: Image;
}

interface Saved {
  readonly image: Image;
  readonly configuration: Buffer;
  /** Full names, `docker.io/library/busybox:latest`. */
  readonly names: { readonly name: string; readonly tag: string }[];
}

const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';
const CONFIGURATION_TYPE = 'application/vnd.oci.image.config.v1+json';
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/**
 * `docker save` as Docker 25 and later write it: an OCI image layout, with `manifest.json` and `repositories` beside it
 * for older readers. Layers are plain tars, so their digests are the diff ids. The same images give the same bytes.
 */
export async function* saveArchive(chosen: readonly Chosen[], rows: Rows, layers: LayerStore): AsyncGenerator<Buffer> {
  const saved = collectImages(chosen, rows);
  const blobs = new Map<string, Buffer | { readonly layer: string; readonly sizeBytes: number }>();
  const manifests: object[] = [];
  for (const { image, configuration, names } of saved) {
    blobs.set(image.id, configuration);
    const descriptors = image.layers.map(({ diffId }) => {
      const sizeBytes = layers.tarBytes(diffId);
      blobs.set(diffId, { layer: diffId, sizeBytes });
      return { mediaType: LAYER_TYPE, digest: diffId, size: sizeBytes };
    });
    const config = { mediaType: CONFIGURATION_TYPE, digest: image.id, size: configuration.length };
    const manifest = json({ schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: descriptors });
    const digest = sha256(manifest);
    blobs.set(digest, manifest);
    const descriptor = { mediaType: MANIFEST_TYPE, digest, size: manifest.length };
    if (names.length === 0) manifests.push(descriptor);
    for (const { name, tag } of names) {
      const annotations = { 'io.containerd.image.name': `${name}:${tag}`, 'org.opencontainers.image.ref.name': tag };
      manifests.push({ ...descriptor, annotations });
    }
  }

  yield header('blobs', 'directory');
  yield header('blobs/sha256', 'directory');
  for (const digest of [...blobs.keys()].sort()) {
    const blob = blobs.get(digest) as Buffer | { layer: string; sizeBytes: number };
    const path = blobPath(digest);
    if (Buffer.isBuffer(blob)) {
      yield* document(path, blob);
    } else {
      yield header(path, 'file', blob.sizeBytes);
      yield* layers.tar(blob.layer);
      yield padding(blob.sizeBytes);
    }
  }
  yield* document('index.json', json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests }));
  yield* document('manifest.json', json(saved.map(dockerManifest)));
  yield* document('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
  const repositories = repositoriesOf(saved);
  if (Object.keys(repositories).length > 0) yield* document('repositories', json(repositories));
  yield END_OF_ARCHIVE;
}

/** A name without a tag means all tags of the repository only when that was asked by a repository; an id has no names. */
function collectImages(chosen: readonly Chosen[], rows: Rows): Saved[] {
  const saved = new Map<string, Saved>();
  for (const { reference, image } of chosen) {
    let entry = saved.get(image.id);
    if (entry === undefined) {
      entry = { image, configuration: rows.configuration(image.id) ?? Buffer.alloc(0), names: [] };
      saved.set(image.id, entry);
    }
    const parsed = parseReference(reference);
    if (parsed.kind !== 'named') continue;
    const { name, tag } = withDefaultTag(parsed);
    const isThatTag = tag !== undefined && rows.taggedImage(name, tag) === image.id;
    if (isThatTag && !entry.names.some((known) => known.name === name && known.tag === tag)) entry.names.push({ name, tag });
  }
  return [...saved.values()];
}

function dockerManifest({ image, names }: Saved): object {
  return {
    Config: blobPath(image.id),
    RepoTags: names.length === 0 ? null : names.map(({ name, tag }) => familiar({ kind: 'named', name, tag })),
    Layers: image.layers.map(({ diffId }) => blobPath(diffId)),
  };
}

/** Docker before 1.10 looked here for its top layer; nothing reads it today but it is expected to be there. */
function repositoriesOf(saved: readonly Saved[]): Record<string, Record<string, string>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, names } of saved) {
    const top = image.layers.at(-1)?.diffId.slice(7);
    if (top === undefined) continue;
    for (const { name, tag } of names) (repositories[familiarName(name)] ??= {})[tag] = top;
  }
  return repositories;
}

function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice(7)}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function* document(path: string, data: Buffer): Generator<Buffer> {
  yield header(path, 'file', data.length);
  yield data;
  yield padding(data.length);
}

function header(path: string, kind: 'file' | 'directory', sizeBytes = 0): Buffer {
  const entry: TarEntry = {
    kind,
    path: kind === 'directory' ? `${path}/` : path,
    mode: kind === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    sizeBytes,
    mtime: 0,
    linkPath: '',
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: new Map(),
  };
  return tarHeader(entry);
}
