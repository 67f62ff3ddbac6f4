import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf } from '../digest.ts';
import { registryLied, registryUnreachable, withDiskFull } from '../faults.ts';
import { connectionFault } from './connection-fault.ts';
import type { Received } from './transport.ts';

/** What was begun and not taken up again for so long is given up. */
const KEPT_MS = 24 * 3600_000;
const PROGRESS_BYTES = 512 * 1024;

export interface Wanted {
  readonly digest: string;
  readonly sizeBytes: number;
}

/**
 * Blobs on their way in, each in a file named by its digest. What has arrived stays when the connection, the client or
 * the daemon goes, and the next attempt asks for the rest. A whole blob is checked before anybody reads it.
 */
export class Downloads {
  readonly #directory: string;
  readonly #busy = new Set<string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async prepare(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.removeIdle(KEPT_MS);
  }

  /** Deletes what nobody is fetching and nobody has added to for so long; gives the bytes freed. */
  async removeIdle(olderThanMs: number): Promise<number> {
    let freedBytes = 0;
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const found = await stat(path);
      if (this.#busy.has(path) || Date.now() - found.mtimeMs < olderThanMs) continue;
      await rm(path, { force: true });
      freedBytes += found.size;
    }
    return freedBytes;
  }

  /**
   * One attempt at a blob. `open` asks the registry for it from an offset on. Gives the path of the whole, checked file,
   * which nobody else touches until the caller says `done`. Faults: `registry-unreachable` (ask again, it goes on from there),
   * `registry-answer-invalid`, `disk-full`. The caller sees to it that a digest is fetched once at a time.
   */
  async fetch(
    { digest, sizeBytes }: Wanted,
    open_: (offset: number) => Promise<Received>,
    progress: (bytes: number) => void,
    signal?: AbortSignal,
  ): Promise<string> {
    const path = join(this.#directory, hexOf(digest));
    if (this.#busy.has(path)) throw registryLied(`blob ${digest} stands for several layers`);
    this.#busy.add(path);
    try {
      const { hash, offset } = await this.#arrived(path, sizeBytes, signal);
      if (offset < sizeBytes || sizeBytes === 0) await this.#receive(path, hash, offset, { digest, sizeBytes }, open_, progress, signal);
      else if (`sha256:${hash.digest('hex')}` !== digest) {
        // A file that a loss of power has torn; nothing has been asked of the registry yet.
        await rm(path, { force: true });
        throw registryUnreachable(`what was fetched of ${digest} earlier is damaged`);
      }
      return path;
    } catch (error) {
      this.#busy.delete(path);
      throw withDiskFull(error);
    }
  }

  /** A fetched file is not needed any more (moved, or of no use), or is left for another time. */
  async done(path: string, { keep }: { keep: boolean }): Promise<void> {
    if (!keep) await rm(path, { force: true });
    this.#busy.delete(path);
  }

  async #arrived(path: string, sizeBytes: number, signal?: AbortSignal): Promise<{ hash: Hash; offset: number }> {
    const hash = createHash('sha256');
    let offset = 0;
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) })) {
        hash.update(chunk as Buffer);
        offset += (chunk as Buffer).length;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (offset <= sizeBytes) return { hash, offset };
    await rm(path, { force: true });
    return { hash: createHash('sha256'), offset: 0 };
  }

  async #receive(
    path: string,
    begun: Hash,
    begunAt: number,
    { digest, sizeBytes }: Wanted,
    open_: (offset: number) => Promise<Received>,
    progress: (bytes: number) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const answer = await open_(begunAt);
    const { status, headers, body, url } = answer;
    let [hash, offset] = [begun, begunAt];
    const file = await open(path, 'a').catch((error: unknown) => {
      body.destroy();
      throw error;
    });
    const lie = (sentence: string) => registryLied(`blob ${digest}: ${sentence}`);
    const stop = () => body.destroy(signal?.reason as Error);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const from = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
      if (status === 416 || (status === 206 && Number(from?.[1]) !== offset)) {
        await file.truncate(0);
        throw registryUnreachable(`${url.host} cannot go on from byte ${offset} of ${digest}`);
      }
      if (status === 200 && offset > 0) {
        await file.truncate(0);
        [hash, offset] = [createHash('sha256'), 0];
      }
      const length = headers['content-length'];
      if (length !== undefined && Number(length) !== sizeBytes - offset)
        throw lie(`the registry sends ${Number(length) + offset} bytes, the manifest says ${sizeBytes}`);
      let told = offset;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        offset += chunk.length;
        if (offset > sizeBytes) throw lie(`the registry sends more than the ${sizeBytes} bytes the manifest says`);
        const written = file.writeFile(chunk);
        hash.update(chunk);
        await written;
        if (offset - told >= PROGRESS_BYTES) progress((told = offset));
      }
      signal?.throwIfAborted();
      if (offset < sizeBytes) throw registryUnreachable(`${url.host} ended after ${offset} of ${sizeBytes} bytes of ${digest}`);
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual === digest) return progress(sizeBytes);
      await file.truncate(0);
      // What had arrived earlier may be to blame: once more from the beginning.
      if (begunAt > 0 && status === 206) throw registryUnreachable(`what was fetched of ${digest} earlier does not fit`);
      throw registryLied(`filesystem layer verification failed for digest ${digest}`);
    } catch (error) {
      body.destroy();
      signal?.throwIfAborted();
      const full = withDiskFull(error);
      throw full === error ? connectionFault('GET', url, error) : full;
    } finally {
      signal?.removeEventListener('abort', stop);
      await file.close();
    }
  }
}
