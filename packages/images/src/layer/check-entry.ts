import { tarInvalid } from '../faults.ts';
import type { TarEntry } from '../tar/tar-entry.ts';

const MAX_ID = 0xffff_ffff;
const MAX_TARGET_BYTES = 4095;
const MAX_ATTRIBUTE_NAME_BYTES = 255;
const MAX_ATTRIBUTE_BYTES = 65_536;
const MAX_MAJOR = 4095;
const MAX_MINOR = 1_048_575;

/** Refuses members that Linux itself would refuse to make, before a tool stumbles over them or bends them to fit. */
export function checkEntry(entry: TarEntry): void {
  const refuse = (why: string) => tarInvalid(`${JSON.stringify(entry.path)}: ${why}`);
  for (const id of [entry.uid, entry.gid]) if (id < 0 || id > MAX_ID) throw refuse(`owner ${id} is out of range`);
  if (entry.linkPath.includes('\0')) throw refuse('its target contains a NUL');
  if (entry.kind === 'symlink' && (entry.linkPath === '' || entry.linkPath.length > MAX_TARGET_BYTES)) {
    throw refuse(`a link target of ${entry.linkPath.length} bytes is not possible`);
  }
  const device = entry.kind === 'character' || entry.kind === 'block';
  if (device && (entry.deviceMajor < 0 || entry.deviceMajor > MAX_MAJOR || entry.deviceMinor < 0 || entry.deviceMinor > MAX_MINOR)) {
    throw refuse(`device ${entry.deviceMajor}:${entry.deviceMinor} is not possible`);
  }
  for (const [name, value] of entry.xattrs) {
    if (name.length > MAX_ATTRIBUTE_NAME_BYTES || value.length > MAX_ATTRIBUTE_BYTES || name.includes('\0')) {
      throw refuse(`attribute ${JSON.stringify(name.slice(0, 40))} is too large`);
    }
  }
}
