import { formatPaxRecord } from './pax.ts';
import { BLOCK_BYTES, type TarEntry, type TarKind } from './tar-entry.ts';

const TYPES: Readonly<Record<TarKind, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const MAX_OCTAL_8 = 0o7777777;
const MAX_OCTAL_12 = 0o77777777777;

/** Two empty blocks. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES);

/**
 * The header of one member: ustar, preceded by a PAX header for whatever ustar can't say (names over 100 bytes, attributes,
 * large numbers). The same entry always gives the same bytes.
 */
export function tarHeader(entry: TarEntry): Buffer {
  const records: Buffer[] = [];
  if (entry.path.length > 100) records.push(formatPaxRecord('path', entry.path));
  if (entry.linkPath.length > 100) records.push(formatPaxRecord('linkpath', entry.linkPath));
  if (entry.sizeBytes > MAX_OCTAL_12) records.push(formatPaxRecord('size', String(entry.sizeBytes)));
  if (entry.uid > MAX_OCTAL_8) records.push(formatPaxRecord('uid', String(entry.uid)));
  if (entry.gid > MAX_OCTAL_8) records.push(formatPaxRecord('gid', String(entry.gid)));
  for (const name of [...entry.xattrs.keys()].sort()) {
    records.push(formatPaxRecord(`SCHILY.xattr.${name}`, entry.xattrs.get(name) ?? ''));
  }
  const header = block(entry, TYPES[entry.kind]);
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const extended = block({ ...entry, path: 'PaxHeaders/entry', linkPath: '', mode: 0o644, uid: 0, gid: 0, sizeBytes: body.length }, 'x');
  return Buffer.concat([extended, body, padding(body.length), header]);
}

/** What fills a body of so many bytes up to a whole block. */
export function padding(sizeBytes: number): Buffer {
  return END_OF_ARCHIVE.subarray(0, (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
}

function block(entry: TarEntry, type: string): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(entry.path.slice(0, 100), 0, 'latin1');
  octal(header, 100, 8, entry.mode);
  octal(header, 108, 8, Math.min(entry.uid, MAX_OCTAL_8));
  octal(header, 116, 8, Math.min(entry.gid, MAX_OCTAL_8));
  octal(header, 124, 12, Math.min(entry.sizeBytes, MAX_OCTAL_12));
  octal(header, 136, 12, Math.min(Math.max(entry.mtime, 0), MAX_OCTAL_12));
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write(entry.linkPath.slice(0, 100), 157, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  octal(header, 329, 8, Math.min(entry.deviceMajor, MAX_OCTAL_8));
  octal(header, 337, 8, Math.min(entry.deviceMinor, MAX_OCTAL_8));
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function octal(header: Buffer, offset: number, length: number, value: number): void {
  header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
}
