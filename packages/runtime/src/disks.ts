import type { Mount } from './port.ts';

/** The disks that mounts need, each once, in the order in which a machine has them after its layers. */
export function disksOf(mounts: readonly Mount[]): string[] {
  return [...new Set(mounts.flatMap((mount) => (mount.type === 'block' ? [mount.disk] : [])))];
}
