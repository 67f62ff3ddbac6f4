import type { CreateContainerRequest, HostConfigRequest, MountRequest } from '@berth/docker-wire';
import type { Engine, MountPoint } from '@berth/engine';
import { isFault } from '@berth/kit';
import { posix } from 'node:path';
import { invalid, notYet } from '../faults.ts';
import { judgePropagation, readBind, volumePoint } from './bind-text.ts';
import { mountTarget } from './mount-target.ts';
import { tmpfsMount, tmpfsOptions } from './tmpfs.ts';

type Host = Pick<HostConfigRequest, 'Binds' | 'Mounts' | 'Tmpfs' | 'VolumesFrom' | 'VolumeDriver'>;

/**
 * Everything a container has mounted: what other containers have (`--volumes-from`), over that what is asked for, and volumes
 * of its own where the image or the user wants one and nothing else is. Faults with Docker's sentences: `mount-invalid`.
 */
export function mountsFor(request: CreateContainerRequest, host: Host, imageVolumes: readonly string[], engine: Engine): MountPoint[] {
  const asked = [...host.Binds.map((text) => readBind(text, host.VolumeDriver)), ...host.Mounts.map(fromMount), ...tmpfsOptions(host)];
  const result = new Map<string, MountPoint>();
  for (const mount of asked) {
    if (result.has(mount.target)) throw invalid('mount-invalid', `Duplicate mount point: ${mount.target}`);
    result.set(mount.target, mount);
  }
  // Of two containers that have something at one place, the later named wins.
  const others = new Map(host.VolumesFrom.flatMap((text) => inherited(text, engine)).map((mount) => [mount.target, mount]));
  for (const [target, mount] of others) if (!result.has(target)) result.set(target, mount);
  for (const text of [...Object.keys(request.Volumes), ...imageVolumes]) {
    const target = mountTarget(text);
    if (!result.has(target)) result.set(target, volumePoint('', target, { driver: host.VolumeDriver, options: {}, labels: {} }));
  }
  return [...result.values()];
}

/** `--volumes-from CONTAINER[:MODE]`: its volumes and directories. */
function inherited(text: string, engine: Engine): MountPoint[] {
  const [name = '', mode = 'rw', ...rest] = text.split(':');
  if (name === '') throw invalid('mount-invalid', 'invalid volumes-from specification: ' + text);
  const words = mode.split(',');
  if (rest.length > 0 || !words.every((word) => ['ro', 'rw', 'z', 'Z', 'nocopy'].includes(word)) || (words.includes('ro') && words.includes('rw'))) {
    throw invalid('mount-invalid', `invalid mode: ${[mode, ...rest].join(':')}`);
  }
  return mountsOf(name, engine).flatMap((mount) => {
    if (mount.type === 'tmpfs') return [];
    const changes = { readonly: mount.readonly || words.includes('ro'), mode: '' };
    return [mount.type === 'bind' ? { ...mount, ...changes } : { ...mount, ...changes, copy: false }];
  });
}

function mountsOf(name: string, engine: Engine): readonly MountPoint[] {
  try {
    return engine.container(name).definition.mounts;
  } catch (error) {
    // To the CLI a create that answers 404 means that the image has to be pulled.
    if (isFault(error, 'container-not-found')) throw invalid('volumes-from-missing', error.message);
    throw error;
  }
}

function fromMount(mount: MountRequest): MountPoint {
  const type = mount.Type === '' ? 'volume' : mount.Type;
  const context = `invalid mount config for type "${type}": `;
  const wrong = (sentence: string) => invalid('mount-invalid', `${context}${sentence}`);
  if (!['bind', 'volume', 'tmpfs'].includes(type)) {
    if (['image', 'cluster', 'npipe'].includes(type)) throw notYet(`--mount type=${type} is`, 'bind, volume and tmpfs are');
    throw invalid('mount-invalid', `invalid mount config for type "${type}": mount type unknown`);
  }
  const target = mountTarget(mount.Target, context);
  if (type !== 'bind' && mount.BindOptions !== undefined) throw wrong('field BindOptions must not be specified');
  if (type !== 'volume' && mount.VolumeOptions !== undefined) throw wrong('field VolumeOptions must not be specified');
  if (type === 'tmpfs') return tmpfsMount(mount);
  if (type === 'bind') {
    if (mount.Source === '') throw wrong('field Source must not be empty');
    if (!mount.Source.startsWith('/')) throw wrong(`invalid mount path: '${mount.Source}' mount path must be absolute`);
    judgePropagation(mount.BindOptions?.Propagation ?? '');
    return {
      type: 'bind',
      source: posix.normalize(mount.Source).replace(/(.)\/$/, '$1'),
      target,
      readonly: mount.ReadOnly,
      recursive: mount.BindOptions?.NonRecursive !== true,
      createSource: mount.BindOptions?.CreateMountpoint ?? false,
      mode: '',
    };
  }
  const options = mount.VolumeOptions;
  const subpath = options?.Subpath ?? '';
  if (subpath !== '' && (posix.isAbsolute(subpath) || subpath.split('/').includes('..'))) {
    throw wrong('subpath must be a relative path within the volume');
  }
  if (mount.Source === '' && subpath !== '') throw wrong('must not set Subpath when using anonymous volumes');
  if (mount.Source === '' && mount.ReadOnly) throw wrong('must not set ReadOnly mode when using anonymous volumes');
  return volumePoint(
    mount.Source,
    target,
    { driver: options?.DriverConfig?.Name ?? '', options: options?.DriverConfig?.Options ?? {}, labels: options?.Labels ?? {} },
    { readonly: mount.ReadOnly, subpath, copy: options?.NoCopy !== true, mode: 'z' },
  );
}
