import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDisk, run } from '@berth/sys';
import type { VolumeDefinition } from './port.ts';

const COUNT_LIMIT_MS = 30_000;
/** As Docker counts: what files hold, each once whatever its names, and nothing for directories. Some may go meanwhile: the rest counts. */
const COUNT = `find "$1" ! -type d -printf '%D:%i %s\\n' 2> /dev/null | awk '!seen[$1]++ { sum += $2 } END { printf "%.0f", sum }'`;

/** Where volumes lie: `volumes/NAME/_data`, as with Docker, or `volumes/NAME/disk`. Names are checked before they come here. */
export class VolumeStorage {
  readonly #directory: string;
  readonly #trash: string;

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'volumes');
    this.#trash = join(this.#directory, '.trash');
  }

  mountpoint({ kind, name }: VolumeDefinition): string {
    return kind === 'block' ? '' : join(this.#directory, name, '_data');
  }

  /** What a machine gets to see: the directory of the host's that a `bind` volume means, too. */
  source(volume: VolumeDefinition): string {
    return volume.device ?? this.mountpoint(volume);
  }

  disk({ name }: VolumeDefinition): string {
    return join(this.#directory, name, 'disk');
  }

  /** Also makes good what a loss of power took away of an empty one. */
  async make(volume: VolumeDefinition): Promise<void> {
    // Passable, not readable: what is inside has modes of its own.
    await mkdir(this.#directory, { recursive: true, mode: 0o701 });
    await mkdir(join(this.#directory, volume.name), { recursive: true, mode: 0o701 });
    if (volume.kind !== 'block') await mkdir(this.mountpoint(volume), { recursive: true, mode: 0o755 });
    else if (!(await exists(this.disk(volume)))) await makeDisk(this.disk(volume), volume.sizeBytes ?? 0);
  }

  /** Gone for everybody when it resolves; `empty` gives the space back. Nothing of a `bind` volume's directory is touched. */
  async remove(volume: VolumeDefinition): Promise<{ readonly empty: () => Promise<void> }> {
    await mkdir(this.#trash, { recursive: true, mode: 0o700 });
    const away = join(this.#trash, randomUUID());
    await rename(join(this.#directory, volume.name), away).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    return { empty: () => rm(away, { recursive: true, force: true }) };
  }

  /** What an earlier daemon threw away and did not live to delete. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#trash).catch(() => [])) await rm(join(this.#trash, name), { recursive: true, force: true });
  }

  /** Bytes; of a directory of the host's nothing is ours. */
  async usedBytes(volume: VolumeDefinition): Promise<number> {
    if (volume.kind === 'bind') return 0;
    if (volume.kind === 'block') return (await stat(this.disk(volume))).blocks * 512;
    const { stdout } = await run('sh', ['-c', COUNT, 'sh', this.mountpoint(volume)], { timeoutMs: COUNT_LIMIT_MS });
    return Number(stdout);
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
