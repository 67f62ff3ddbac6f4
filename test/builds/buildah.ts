import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@berth/sys';
import { readArchive } from './saved-image.ts';

const LIMIT = { timeoutMs: 120_000 };

/** Debian's buildah with a storage of its own; a step runs in nothing but a chroot, without a network of its own. */
export class Buildah {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** `base`: an archive of `busybox:latest`. */
  static async open(directory: string, base: string): Promise<Buildah> {
    await mkdir(directory, { recursive: true });
    const buildah = new Buildah(directory);
    await buildah.#run(['pull', '-q', `docker-archive:${base}`]);
    return buildah;
  }

  async build(folder: string, tag: string, args: readonly string[]): Promise<{ layers: string[][]; config: Record<string, unknown> }> {
    await this.#run(['build', '--isolation', 'chroot', '--format', 'docker', '--pull-never', '-q', '-t', tag, ...args, folder]);
    const archive = join(this.#directory, 'out.tar');
    await run('rm', ['-f', archive]);
    await this.#run(['push', '-q', tag, `docker-archive:${archive}`]);
    return await readArchive(archive);
  }

  async #run(args: readonly string[]): Promise<void> {
    const own = ['--root', join(this.#directory, 'root'), '--runroot', join(this.#directory, 'run'), '--storage-driver', 'vfs'];
    await run('buildah', [...own, ...args], { ...LIMIT, env: { TMPDIR: this.#directory } });
  }
}
