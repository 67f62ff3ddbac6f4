import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';
import type { DockerCli } from '../oracle/index.ts';

const cache = '/var/cache/berth-test';
/** What only the installation needed. */
const needless = ['usr/share/perl', 'usr/lib/x86_64-linux-gnu/perl', 'usr/lib/x86_64-linux-gnu/gconv', 'usr/lib/x86_64-linux-gnu/libperl.so*'];

/** An image as `docker import` makes it from Debian packages. */
export interface DebianImage {
  readonly name: string;
  readonly packages: readonly string[];
  /** A script of `images/`, which becomes the image's /usr/local/bin/docker-entrypoint.sh. */
  readonly entrypoint?: string;
  readonly excludes?: readonly string[];
  readonly changes: readonly string[];
}

export const postgresImage: DebianImage = {
  name: 'postgres:15',
  packages: ['postgresql-15'],
  entrypoint: 'postgres-entrypoint.sh',
  // Half of it is the compiler for queries.
  excludes: ['/usr/lib/x86_64-linux-gnu/libLLVM*', '/usr/lib/postgresql/15/lib/bitcode/*'],
  changes: [
    'ENTRYPOINT ["docker-entrypoint.sh"]',
    'CMD ["postgres"]',
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin PGDATA=/var/lib/postgresql/data',
    'VOLUME /var/lib/postgresql/data',
    'EXPOSE 5432',
  ],
};

export const redisImage: DebianImage = {
  name: 'redis:7',
  packages: ['redis-server'],
  entrypoint: 'redis-entrypoint.sh',
  changes: ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["redis-server"]', 'WORKDIR /data', 'VOLUME /data', 'EXPOSE 6379'],
};

export const pythonImage: DebianImage = {
  name: 'python:3.11',
  packages: ['python3', 'python3-psycopg2', 'python3-redis'],
  changes: ['CMD ["python3"]', 'ENV PYTHONUNBUFFERED=1'],
};

/** Where a tar of the image's root is kept; by what it was made from. */
export function rootTarPath(image: DebianImage): string {
  const script = image.entrypoint === undefined ? '' : readFileSync(new URL(`images/${image.entrypoint}`, import.meta.url), 'utf8');
  const key = createHash('sha256')
    .update(JSON.stringify([image.packages, image.excludes, needless, script]))
    .digest('hex')
    .slice(0, 8);
  return `${cache}/${image.name.replace(/\W/g, '-')}-${key}.tar`;
}

/** The tar, made from the machine's own apt sources the first time. Gives its path. */
export async function rootTar(image: DebianImage): Promise<string> {
  const path = rootTarPath(image);
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${randomUUID()}`;
  const excludes = ['/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/man/*', ...(image.excludes ?? [])];
  await run(
    'mmdebstrap',
    [
      '--variant=essential',
      `--include=${image.packages.join(',')}`,
      ...excludes.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
      `--customize-hook=cd "$1" && rm -rf ${needless.join(' ')}`,
      ...(image.entrypoint === undefined ? [] : entrypointHook(fileURLToPath(new URL(`images/${image.entrypoint}`, import.meta.url)))),
      '--dpkgopt=force-unsafe-io',
      '--format=tar',
      'bookworm',
      partial,
    ],
    { timeoutMs: 400_000 },
  );
  await rename(partial, path);
  return path;
}

function entrypointHook(path: string): string[] {
  return [`--customize-hook=cp "${path}" "$1/usr/local/bin/docker-entrypoint.sh" && chmod 755 "$1/usr/local/bin/docker-entrypoint.sh"`];
}

/** Has the daemon import it. */
export async function importImage(docker: DockerCli, image: DebianImage): Promise<void> {
  await docker.ok(['import', ...image.changes.flatMap((change) => ['-c', change]), await rootTar(image), image.name], { timeoutMs: 180_000 });
}
