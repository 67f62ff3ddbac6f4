import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { withDiskFull } from '../faults.ts';

/**
 * Compresses bytes into a new file and syncs it. The fastest level: what matters is that keeping a tar costs less than
 * making its file system. The checksum tells a damaged file before its digest would.
 */
export async function writeZstdFile(source: AsyncIterable<Buffer>, path: string, signal?: AbortSignal): Promise<void> {
  const compress = createZstdCompress({
    chunkSize: 256 * 1024,
    params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const file = createWriteStream(path, { flags: 'wx', flush: true });
  try {
    await pipeline(Readable.from(source, { objectMode: true, highWaterMark: 2 }), compress, file, { ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    throw withDiskFull(error);
  }
}
