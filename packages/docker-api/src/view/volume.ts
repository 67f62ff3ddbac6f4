import type { VolumeView } from '@berth/engine';
import { rfc3339 } from '@berth/docker-wire';

/** `docker volume inspect`. What only Berth knows stands in `Status`, which is the driver's own. */
export function volumeView(volume: VolumeView, usage?: { readonly sizeBytes: number }): Record<string, unknown> {
  return {
    CreatedAt: rfc3339(volume.createdAtMs).replace(/\.\d+Z$/, 'Z'),
    Driver: volume.driver,
    Labels: Object.keys(volume.labels).length === 0 ? null : volume.labels,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length === 0 ? null : volume.options,
    Scope: 'local',
    ...(volume.kind === 'block' ? { Status: { Disk: volume.disk, SizeBytes: volume.sizeBytes } } : {}),
    ...(usage === undefined ? {} : { UsageData: { RefCount: volume.users.length, Size: usage.sizeBytes } }),
  };
}
