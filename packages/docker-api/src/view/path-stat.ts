import type { PathStat } from '@berth/engine';
import { rfc3339NanoFixed } from '@berth/docker-wire';

/** Go's os.FileMode of each kind of file, beside the permission bits. */
const TYPES: Readonly<Record<PathStat['kind'], number>> = {
  file: 0,
  hardlink: 0,
  directory: 2 ** 31,
  symlink: 2 ** 27,
  block: 2 ** 26,
  character: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
  socket: 2 ** 24,
};
/** The kernel's bit, and Go's. */
const SPECIAL = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
] as const;

/** The value of `X-Docker-Container-Path-Stat`. */
export function pathStatHeader(stat: PathStat): string {
  const mode = SPECIAL.reduce((sum, [bit, go]) => sum + ((stat.mode & bit) === 0 ? 0 : go), TYPES[stat.kind] + (stat.mode & 0o777));
  const view = { name: stat.name, size: stat.sizeBytes, mode, mtime: rfc3339NanoFixed(stat.mtimeNs).replace(/\.?0+Z$/, 'Z'), linkTarget: stat.linkTarget };
  return Buffer.from(JSON.stringify(view)).toString('base64');
}
