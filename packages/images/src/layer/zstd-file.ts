import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished, pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { withDiskFull } from '../faults.ts';

/**
 * A new file that what is written to it goes into compressed. The fastest level: what matters is that keeping a tar
 * costs less than making its file system. The checksum tells a damaged file before its digest would.
 */
export class ZstdFile {
  readonly #compress = createZstdCompress({
    chunkSize: 256 * 1024,
    params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  readonly #written: Promise<void>;

  constructor(path: string) {
    this.#written = pipeline(this.#compress, createWriteStream(path, { flags: 'wx' }));
    // Whoever writes or ends is told.
    this.#written.catch(() => undefined);
  }

  /** Resolves when there is room for more. Fault `disk-full`. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#compress.destroyed) await this.end();
    if (this.#compress.write(chunk)) return;
    await Promise.race([once(this.#compress, 'drain'), this.#written]).catch((error: unknown) => {
      throw withDiskFull(error);
    });
  }

  /** Resolves when all of it is in the file (not synced). Idempotent. */
  async end(): Promise<void> {
    this.#compress.end();
    await this.#written.catch((error: unknown) => {
      throw withDiskFull(error);
    });
  }

  async abandon(): Promise<void> {
    this.#compress.destroy();
    await this.#written.catch(() => undefined);
    await finished(this.#compress).catch(() => undefined);
  }
}
