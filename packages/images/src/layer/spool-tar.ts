import { createHash } from 'node:crypto';
import type { Limits } from '../limits.ts';
import { type Ingested, learnTree } from './ingest.ts';
import type { LayerTree } from './layer-tree.ts';
import { ZstdFile } from './zstd-file.ts';

export interface SpooledTar {
  /** Of the plain bytes. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Absent: it is no tar that could be a layer. */
  readonly ingested?: Ingested;
}

/**
 * Keeps a plain tar compressed and learns what it is, in one pass. What turns out to be no layer is refused at once, or
 * kept to its end like any other bytes when somebody may still want them. Faults: those of `learnTree` (refused), `disk-full`,
 * and what the source throws.
 */
export async function spoolTar(tar: AsyncIterable<Buffer>, path: string, limits: Limits, noLayer: 'refuse' | 'keep'): Promise<SpooledTar> {
  const file = new ZstdFile(path);
  const hash = createHash('sha256');
  const source = tar[Symbol.asyncIterator]();
  let sizeBytes = 0;
  let broken: unknown;
  async function* kept(): AsyncGenerator<Buffer> {
    try {
      for (let next = await source.next(); next.done !== true; next = await source.next()) {
        // Compressing goes on in another thread while this one hashes.
        const room = file.write(next.value);
        hash.update(next.value);
        sizeBytes += next.value.length;
        await room;
        yield next.value;
      }
    } catch (error) {
      broken = error;
      throw error;
    }
  }
  try {
    let tree: LayerTree | undefined;
    try {
      tree = await learnTree(kept(), limits);
    } catch (error) {
      if (broken !== undefined || noLayer === 'refuse') throw error;
      for await (const _rest of kept());
    }
    await file.end();
    const digest = `sha256:${hash.digest('hex')}`;
    return { digest, sizeBytes, ...(tree === undefined ? {} : { ingested: { diffId: digest, tarBytes: sizeBytes, tree } }) };
  } catch (error) {
    await file.abandon();
    await source.return?.();
    throw error;
  }
}
