import { sha256 } from '../digest.ts';
import type { LayerStore } from '../layer/layer-store.ts';
import { familiar, familiarName } from '../reference.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { END_OF_ARCHIVE, padding, tarHeader } from '../tar/tar-writer.ts';
import type { SavedImage } from './choose-to-save.ts';

const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';
const CONFIGURATION_TYPE = 'application/vnd.oci.image.config.v1+json';
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/**
 * `docker save` as Docker 25 and later write it: an OCI image layout, with `manifest.json` and `repositories` beside it
 * for older readers. Layers are plain tars, so their digests are the diff ids. The same images give the same bytes.
 */
export async function* saveArchive(saved: readonly SavedImage[], layers: LayerStore): AsyncGenerator<Buffer> {
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

function dockerManifest({ image, names }: SavedImage): object {
  return {
    Config: blobPath(image.id),
    RepoTags: names.length === 0 ? null : names.map(({ name, tag }) => familiar({ kind: 'named', name, tag })),
    Layers: image.layers.map(({ diffId }) => blobPath(diffId)),
  };
}

/** Docker before 1.10 looked here for its top layer; nothing reads it today but it is expected to be there. */
function repositoriesOf(saved: readonly SavedImage[]): Record<string, Record<string, string>> {
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
