import type { HostConfigRequest, MountRequest } from '@berth/docker-wire';
import type { TmpfsMount } from '@berth/runtime';
import { invalid } from '../faults.ts';
import { mountTarget } from './mount-target.ts';

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

/** `--tmpfs`. Faults with Docker's sentences: `mount-invalid`. */
export function tmpfsOptions(host: Pick<HostConfigRequest, 'Tmpfs'>): TmpfsMount[] {
  return Object.entries(host.Tmpfs).map(([target, options]) =>
    tmpfs(
      target,
      options.split(',').filter((option) => option !== ''),
    ),
  );
}

/** `--mount type=tmpfs`. */
export function tmpfsMount(mount: MountRequest): TmpfsMount {
  if (mount.Source !== '') throw invalid('mount-invalid', 'invalid mount config for type "tmpfs": field Source must not be specified');
  const options = mount.TmpfsOptions;
  return tmpfs(mount.Target, [
    ...(mount.ReadOnly ? ['ro'] : []),
    ...(options !== undefined && options.SizeBytes > 0 ? [`size=${options.SizeBytes}`] : []),
    ...(options !== undefined && options.Mode > 0 ? [`mode=${options.Mode.toString(8)}`] : []),
  ]);
}

function tmpfs(target: string, given: readonly string[]): TmpfsMount {
  const clean = mountTarget(target);
  for (const option of given) {
    const name = option.split('=', 1)[0] ?? option;
    if (option.includes('=') ? !withValue.has(name) : !flags.has(name)) throw invalid('mount-invalid', `Invalid tmpfs option ["${option}"]`);
  }
  const overridden = new Set(given.map((option) => opposite[option]));
  return { type: 'tmpfs', target: clean, options: [...['noexec', 'nosuid', 'nodev'].filter((option) => !overridden.has(option)), ...given] };
}
