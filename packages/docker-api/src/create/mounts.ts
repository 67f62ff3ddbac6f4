import type { HostConfigRequest, MountRequest } from '@berth/docker-wire';
import type { Mount } from '@berth/runtime';
import { posix } from 'node:path';
import { invalid } from '../faults.ts';

const flags = new Set([
  'defaults',
  'ro',
  'rw',
  'suid',
  'nosuid',
  'dev',
  'nodev',
  'exec',
  'noexec',
  'sync',
  'async',
  'dirsync',
  'remount',
  'mand',
  'nomand',
  'atime',
  'noatime',
  'diratime',
  'nodiratime',
  'bind',
  'rbind',
  'private',
  'rprivate',
  'shared',
  'rshared',
  'slave',
  'rslave',
  'unbindable',
  'runbindable',
  'relatime',
  'norelatime',
  'strictatime',
  'nostrictatime',
]);
const withValue = new Set(['mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol', 'size']);
const opposite: Readonly<Record<string, string>> = { exec: 'noexec', suid: 'nosuid', dev: 'nodev', rw: 'ro' };

/** `--tmpfs` and `--mount type=tmpfs`. Faults with Docker's sentences: `mount-invalid`. */
export function tmpfsMounts(host: Pick<HostConfigRequest, 'Tmpfs' | 'Mounts'>): Mount[] {
  const mounts = [
    ...Object.entries(host.Tmpfs).map(([target, options]) =>
      tmpfs(
        target,
        options.split(',').filter((option) => option !== ''),
      ),
    ),
    ...host.Mounts.map(fromMount),
  ];
  const seen = new Set<string>();
  for (const mount of mounts) {
    if (seen.has(mount.target)) throw invalid('mount-invalid', `Duplicate mount point: ${mount.target}`);
    seen.add(mount.target);
  }
  return mounts;
}

function fromMount(mount: MountRequest): Mount {
  if (mount.Target === '') throw invalid('mount-invalid', 'invalid mount config for type "tmpfs": field Target must not be empty');
  if (mount.Source !== '') throw invalid('mount-invalid', 'invalid mount config for type "tmpfs": field Source must not be specified');
  const options = mount.TmpfsOptions;
  return tmpfs(mount.Target, [
    ...(mount.ReadOnly ? ['ro'] : []),
    ...(options !== undefined && options.SizeBytes > 0 ? [`size=${options.SizeBytes}`] : []),
    ...(options !== undefined && options.Mode > 0 ? [`mode=${options.Mode.toString(8)}`] : []),
  ]);
}

function tmpfs(target: string, given: readonly string[]): Mount {
  if (!target.startsWith('/')) throw invalid('mount-invalid', `invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(.)\/$/, '$1');
  if (clean === '/') throw invalid('mount-invalid', "invalid specification: destination can't be '/'");
  for (const option of given) {
    const name = option.split('=', 1)[0] ?? option;
    if (option.includes('=') ? !withValue.has(name) : !flags.has(name)) throw invalid('mount-invalid', `Invalid tmpfs option ["${option}"]`);
  }
  const overridden = new Set(given.map((option) => opposite[option]));
  return { type: 'tmpfs', target: clean, options: [...['noexec', 'nosuid', 'nodev'].filter((option) => !overridden.has(option)), ...given] };
}
