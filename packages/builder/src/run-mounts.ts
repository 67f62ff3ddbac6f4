import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type Heredoc, type MountFlag, parseMount } from '@berth/dockerfile';
import type { MountPoint } from '@berth/engine';
import type { FileTree } from '@berth/images';
import type { CacheVolumes } from './cache-volumes.ts';
import { digestOf } from './digest.ts';
import { buildFailed, buildUnsupported } from './faults.ts';
import { type Source, sourcesOf } from './sources.ts';

/** What a bind mount shows, and where. */
export interface Shown {
  readonly target: string;
  readonly source: Source;
}

/** What a step has mounted. Releasing it gives caches back and removes secrets. */
export interface StepMounts extends AsyncDisposable {
  readonly mounts: readonly MountPoint[];
  readonly shown: readonly Shown[];
  readonly env: readonly string[];
}

export interface MountDeps {
  readonly caches: CacheVolumes;
  /** Of this build alone; for files of secrets and scripts. */
  readonly directory: string;
  readonly secrets: ReadonlyMap<string, Buffer>;
  readonly cwd: string;
  /** A stage, an image, or the context. */
  readonly treeOf: (from: string | undefined) => Promise<FileTree>;
  readonly signal: AbortSignal;
}

/** What of the mounts is in the key of the step: what they show, never what a secret says. */
export async function mountKey(mounts: readonly string[], shown: readonly Shown[]): Promise<string> {
  if (mounts.length === 0) return '';
  return JSON.stringify([mounts, shown.length === 0 ? '' : await digestOf(shown.map(({ source }) => source))]);
}

/** The bind mounts alone: they say what the step sees, and so whether it ran already. */
export async function shownBy(mounts: readonly string[], { treeOf, cwd }: Pick<MountDeps, 'treeOf' | 'cwd'>): Promise<Shown[]> {
  const shown: Shown[] = [];
  for (const mount of mounts.map(parseMount)) {
    if (mount.type !== 'bind') continue;
    const [source] = sourcesOf(await treeOf(mount.from), mount.source.replaceAll(/[*?[\\]/g, '\\$&'), 'RUN --mount');
    if (source !== undefined) shown.push({ target: posix.resolve('/', cwd, mount.target), source });
  }
  return shown;
}

export async function openMounts(mounts: readonly string[], script: Heredoc | undefined, shown: readonly Shown[], deps: MountDeps): Promise<StepMounts> {
  await using stack = new AsyncDisposableStack();
  const points: MountPoint[] = [];
  const env: string[] = [];
  const file = async (target: string, content: Buffer, { mode, uid, gid }: { mode: number; uid: number; gid: number }) => {
    const source = join(deps.directory, randomUUID());
    await mkdir(deps.directory, { recursive: true, mode: 0o700 });
    stack.defer(() => rm(source, { force: true }));
    await writeFile(source, content, { mode: 0o600, flag: 'wx' });
    await chown(source, uid, gid);
    await chmod(source, mode);
    points.push({ type: 'bind', source, target: posix.resolve('/', deps.cwd, target), readonly: true, recursive: false, createSource: false, mode: '' });
  };
  for (const mount of mounts.map(parseMount)) {
    if (mount.type === 'tmpfs') points.push(tmpfs(mount, deps.cwd));
    if (mount.type === 'secret') {
      const content = deps.secrets.get(mount.id);
      if (content === undefined) {
        if (mount.required) throw buildFailed(`secret ${mount.id}: not found`);
        continue;
      }
      if (mount.env !== undefined) env.push(`${mount.env}=${content.toString()}`);
      if (mount.env === undefined || mount.target !== '') {
        const target = mount.target === '' ? `/run/secrets/${mount.id}` : mount.target;
        await file(target, content, { mode: mount.mode ?? 0o400, uid: mount.uid, gid: mount.gid });
      }
    }
    if (mount.type === 'cache') {
      if (mount.from !== undefined) throw buildUnsupported('RUN --mount=type=cache,from=… is not supported by Berth yet: copy into the cache in the step');
      const held = await deps.caches.hold(mount, deps.signal);
      stack.defer(() => held.release());
      points.push({
        type: 'volume',
        name: held.volume,
        target: posix.resolve('/', deps.cwd, mount.target),
        readonly: mount.readonly,
        subpath: '',
        copy: false,
        anonymous: false,
        mode: '',
        making: { driver: '', options: {}, labels: {} },
      });
    }
  }
  if (script !== undefined) await file(`/dev/pipes/${script.name}`, Buffer.from(script.content), { mode: 0o755, uid: 0, gid: 0 });
  const owned = stack.move();
  return { mounts: points, shown, env, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function tmpfs(mount: MountFlag, cwd: string): MountPoint {
  const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
  return { type: 'tmpfs', target: posix.resolve('/', cwd, mount.target), options: ['nosuid', 'nodev', ...size] };
}
