import type { ContainerView, Engine, MountPoint } from '@berth/engine';
import type { Personality } from '../create/personality.ts';

/** `Mounts` of `docker inspect` and `docker ps`, in the order of targets. */
export function mountViews(view: ContainerView, engine: Engine): Record<string, unknown>[] {
  const { mounts, personality } = view.definition;
  const asked = ((personality as unknown as Personality).HostConfig['Mounts'] ?? []) as readonly { Target: string }[];
  return [...mounts]
    .filter((mount) => mount.type !== 'tmpfs' || asked.some(({ Target }) => Target === mount.target))
    .sort((a, b) => (a.target < b.target ? -1 : 1))
    .map((mount) => mountView(mount, engine));
}

/** Docker lists `--mount type=tmpfs` here, but not `--tmpfs`. */
function mountView(mount: MountPoint, engine: Engine): Record<string, unknown> {
  const Destination = mount.target;
  if (mount.type === 'tmpfs') return { Type: 'tmpfs', Source: '', Destination, Mode: '', RW: !mount.options.includes('ro'), Propagation: '' };
  const RW = !mount.readonly;
  if (mount.type === 'bind') return { Type: 'bind', Source: mount.source, Destination, Mode: mount.mode, RW, Propagation: 'rprivate' };
  const volume = engine.volumes().find(({ name }) => name === mount.name);
  return { Type: 'volume', Name: mount.name, Source: volume?.mountpoint ?? '', Destination, Driver: 'local', Mode: mount.mode, RW, Propagation: '' };
}
