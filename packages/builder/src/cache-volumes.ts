import { createHash } from 'node:crypto';
import { chmod, chown } from 'node:fs/promises';
import type { MountFlag } from '@berth/dockerfile';
import type { Engine } from '@berth/engine';
import { isFault } from '@berth/kit';
import type { BuildCache } from './port.ts';

/** Marks the volumes that are caches of builds; its value is the cache's id. */
export const BUILD_CACHE_LABEL = 'berth.build.cache';

export interface HeldCache {
  readonly volume: string;
  release(): void;
}

interface Users {
  count: number;
  exclusive: boolean;
}

/** `RUN --mount=type=cache`: a volume for each id, used by several steps at once or by one, as they ask for. */
export class CacheVolumes {
  readonly #engine: Engine;
  readonly #users = new Map<string, Users>();
  #changed = Promise.withResolvers<void>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Waits until the cache may be used so. */
  async hold({ id, sharing, mode, uid, gid }: MountFlag, signal: AbortSignal): Promise<HeldCache> {
    const base = `build-cache-${createHash('sha256').update(id).digest('hex').slice(0, 24)}`;
    let volume = base;
    // A private one is another of the same id when the first is in use.
    for (let number = 2; sharing === 'private' && this.#users.has(volume); number++) volume = `${base}-${number}`;
    for (let users = this.#users.get(volume); users !== undefined && (users.exclusive || sharing === 'locked'); users = this.#users.get(volume)) {
      signal.throwIfAborted();
      const { promise, reject } = Promise.withResolvers<never>();
      const stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
      await Promise.race([this.#changed.promise, promise]).finally(() => signal.removeEventListener('abort', stop));
    }
    const users = this.#users.get(volume) ?? { count: 0, exclusive: false };
    users.count++;
    users.exclusive = sharing !== 'shared';
    this.#users.set(volume, users);
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      if (--users.count === 0) this.#users.delete(volume);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    };
    try {
      await this.#make(volume, id, { mode, uid, gid });
      return { volume, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async list(): Promise<BuildCache[]> {
    return await Promise.all(
      this.#engine
        .volumes()
        .filter(({ labels }) => labels[BUILD_CACHE_LABEL] !== undefined)
        .map(async ({ name, labels, createdAtMs, users }) => ({
          id: labels[BUILD_CACHE_LABEL] ?? '',
          volume: name,
          sizeBytes: await this.#engine.volumeSize(name).catch(() => 0),
          createdAtMs,
          inUse: users.length > 0 || this.#users.has(name),
        })),
    );
  }

  async prune(matches: (cache: BuildCache) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    const deleted: string[] = [];
    let reclaimedBytes = 0;
    for (const cache of await this.list()) {
      if (cache.inUse || this.#users.has(cache.volume) || !matches(cache)) continue;
      try {
        await this.#engine.removeVolume(cache.volume, { force: false });
      } catch (error) {
        if (isFault(error, 'volume-in-use') || isFault(error, 'volume-not-found')) continue;
        throw error;
      }
      deleted.push(cache.volume);
      reclaimedBytes += cache.sizeBytes;
    }
    return { deleted, reclaimedBytes };
  }

  async #make(name: string, id: string, root: Pick<MountFlag, 'mode' | 'uid' | 'gid'>): Promise<void> {
    if (this.#engine.volumes().some((volume) => volume.name === name)) return;
    const { mountpoint } = await this.#engine.createVolume({ name, driver: '', options: {}, labels: { [BUILD_CACHE_LABEL]: id } });
    await chmod(mountpoint, root.mode ?? 0o755);
    await chown(mountpoint, root.uid, root.gid);
  }
}
