import { tarInvalid } from '../faults.ts';

/** What squashfs and Linux take. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4095;

/**
 * The components of a member's path (latin1: one character a byte), cleaned of `.` and empty ones, `a/../b` folded. The
 * root itself is the empty list. Refuses what would leave the root, whatever it is called inside.
 */
export function entryPath(path: string): string[] {
  if (path.includes('\0')) throw tarInvalid('a name contains a NUL');
  if (path.length > MAX_PATH_BYTES) throw tarInvalid(`a name is longer than ${MAX_PATH_BYTES} bytes`);
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (names.pop() === undefined) throw tarInvalid(`${JSON.stringify(path)} is outside of the root`);
      continue;
    }
    if (name.length > MAX_NAME_BYTES) throw tarInvalid(`${JSON.stringify(name.slice(0, 40))}… is longer than ${MAX_NAME_BYTES} bytes`);
    names.push(name);
  }
  return names;
}

/** What a member means for the layers below: OCI image-spec, "Whiteouts". */
export type Whiteout = { readonly kind: 'hides'; readonly name: string } | { readonly kind: 'opaque' } | { readonly kind: 'bookkeeping' };

/** The meaning of a member's last name, or undefined when it is an ordinary one. */
export function whiteoutOf(name: string): Whiteout | undefined {
  if (!name.startsWith('.wh.')) return undefined;
  if (name === '.wh..wh..opq') return { kind: 'opaque' };
  // AUFS kept files of its own under such names; they are no part of the image.
  if (name.startsWith('.wh..wh.')) return { kind: 'bookkeeping' };
  const hidden = name.slice(4);
  if (hidden === '' || hidden === '.' || hidden === '..') throw tarInvalid(`invalid whiteout ${JSON.stringify(name)}`);
  return { kind: 'hides', name: hidden };
}
