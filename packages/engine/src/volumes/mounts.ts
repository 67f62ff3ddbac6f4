import { lstat, mkdir, stat } from 'node:fs/promises';
import type { Mount, ShareMount } from '@berth/runtime';
import type { Container } from '../container.ts';
import type { Deps } from '../deps.ts';
import { bindSourceMissing, bindSourceUnmade, volumeDeviceMissing, volumeHeld } from '../faults.ts';
import { socketMount, socketPath } from './sockets.ts';
import type { BindPoint, MountPoint, VolumePoint } from './port.ts';

/** At create: what must be there already is. Fault `bind-source-missing`. */
export async function checkBinds(deps: Deps, mounts: readonly MountPoint[]): Promise<void> {
  for (const mount of mounts) {
    if (mount.type !== 'bind') continue;
    const found = await stat(socketPath(deps, mount.source)).catch(() => undefined);
    if (found === undefined && !mount.createSource) throw bindSourceMissing(mount.source);
  }
}

/**
 * At a start: the container's mounts as its runtime takes them, parents first. Missing directories of `-v` are made; disks
 * are held for this run. Faults: those of `checkBinds`, `bind-source-unmade`, `volume-not-found`, `volume-held`, `volume-device-missing`.
 */
export async function runtimeMounts(deps: Deps, container: Container, mounts: readonly MountPoint[] = container.definition.mounts): Promise<Mount[]> {
  const depth = ({ target }: MountPoint) => target.split('/').filter((part) => part !== '').length;
  const result: Mount[] = [];
  for (const mount of mounts.toSorted((a, b) => depth(a) - depth(b))) {
    if (mount.type === 'tmpfs') result.push(mount);
    else result.push(mount.type === 'bind' ? await bindMount(deps, mount) : await volumeMount(deps, container, mount));
  }
  return result;
}

/** The directories of the host among them, for a container that doesn't run: those are reached without it. Faults as above. */
export async function restingMounts(deps: Deps, container: Container): Promise<ShareMount[]> {
  const shares = container.definition.mounts.filter((mount) => mount.type === 'bind' || (mount.type === 'volume' && !isDisk(deps, mount)));
  return (await runtimeMounts(deps, container, shares)).filter((mount) => mount.type === 'share');
}

export function isDisk(deps: Deps, { name }: VolumePoint): boolean {
  return deps.volumes.table.byName(name)?.kind === 'block';
}

/** For a container that is taken up while it runs: its disks are its own still. */
export function holdDisks(deps: Deps, container: Container): void {
  for (const mount of container.definition.mounts) {
    if (mount.type === 'volume' && isDisk(deps, mount)) deps.volumes.table.hold(mount.name, container.id);
  }
}

async function bindMount(deps: Deps, mount: BindPoint): Promise<Mount> {
  const { source, target, readonly, recursive } = mount;
  const socket = await socketMount(deps, mount);
  if (socket !== undefined) return socket;
  if (mount.createSource && (await lstat(source).catch(() => undefined)) === undefined) {
    await mkdir(source, { recursive: true }).catch((error: unknown) => {
      throw bindSourceUnmade(source, error);
    });
  }
  await checkBinds(deps, [mount]);
  return { type: 'share', source, subpath: '', target, readonly, recursive, copy: false };
}

async function volumeMount(deps: Deps, container: Container, mount: VolumePoint): Promise<Mount> {
  const { table, storage } = deps.volumes;
  const { target, readonly, subpath } = mount;
  const volume = table.find(mount.name);
  // Docker copies when a container is created; here the first run does it.
  const copy = mount.copy && container.state.startedAtMs === 0;
  await storage.make(volume);
  if (volume.kind !== 'block') {
    const source = storage.source(volume);
    if ((await stat(source).catch(() => undefined)) === undefined) throw volumeDeviceMissing(source);
    return { type: 'share', source, subpath, target, readonly, recursive: true, copy };
  }
  if (!table.hold(volume.name, container.id)) {
    throw volumeHeld(volume.name, deps.registry.byId(table.holder(volume.name) ?? '')?.name ?? '');
  }
  return { type: 'block', disk: storage.disk(volume), subpath, target, readonly, copy };
}
