import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { DOCKER_LAYER, OCI_ZSTD_LAYER } from './media-types.ts';
import type { RegistryContext } from './context.ts';

/** A layer in the form it goes to a registry. */
export interface Pushable {
  readonly mediaType: string;
  /** Known before it is sent: absent for one that is compressed on the way. */
  readonly known?: { readonly digest: string; readonly sizeBytes: number };
  /** From its beginning. */
  open(): Readable;
}

const CHUNK_BYTES = 256 * 1024;
/** A registry's copy is written once and read often, but a developer waits for the writing. */
const GZIP_LEVEL = 4;

/**
 * How a layer is sent. One that came compressed by gzip goes as it came, byte for byte, and so does one that came from a
 * registry as zstd; everything else is compressed by gzip, which every client can read.
 */
export async function pushable({ layers, remembered }: RegistryContext, diffId: string): Promise<Pushable> {
  const kept = layers.kept(diffId);
  const blobs = remembered.layerBlobs(diffId);
  if (kept !== undefined) {
    const open = () => createReadStream(kept.path, { highWaterMark: CHUNK_BYTES });
    const asKept = blobs.find(({ size_bytes: size, media_type: type }) => size === kept.sizeBytes && type.endsWith('zstd') === (kept.compression === 'zstd'));
    if (asKept !== undefined && (kept.compression === 'gzip' || asKept.media_type === OCI_ZSTD_LAYER)) {
      const mediaType = kept.compression === 'gzip' ? DOCKER_LAYER : OCI_ZSTD_LAYER;
      return { mediaType, known: { digest: asKept.digest, sizeBytes: kept.sizeBytes }, open };
    }
    if (kept.compression === 'gzip') {
      const hash = createHash('sha256');
      for await (const chunk of open()) hash.update(chunk as Buffer);
      return { mediaType: DOCKER_LAYER, known: { digest: `sha256:${hash.digest('hex')}`, sizeBytes: kept.sizeBytes }, open };
    }
  }
  const sent = blobs.find(({ media_type: type }) => type === DOCKER_LAYER);
  const compressed = () => {
    const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK_BYTES });
    // An error of either ends both; whoever reads the last one is told.
    pipeline(Readable.from(layers.tar(diffId), { objectMode: true, highWaterMark: 2 }), gzip, () => undefined);
    return gzip;
  };
  return {
    mediaType: DOCKER_LAYER,
    ...(sent === undefined ? {} : { known: { digest: sent.digest, sizeBytes: sent.size_bytes } }),
    open: compressed,
  };
}
