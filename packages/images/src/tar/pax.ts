import { tarInvalid } from '../faults.ts';

const NEVER_WITH_NUL = new Set(['path', 'linkpath', 'uname', 'gname']);

/**
 * The records of a PAX extended header (POSIX pax, "pax Extended Header"): `length key=value\n`, the length counting the
 * whole record in decimal. Keys and values are latin1 strings of the raw bytes.
 */
export function parsePaxRecords(data: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? '' : data.toString('latin1', at, space);
    if (!/^[1-9]\d{0,8}$/.test(digits)) throw tarInvalid('archive/tar: invalid tar header: malformed PAX record');
    const end = at + Number(digits);
    if (end > data.length || end <= space + 2 || data[end - 1] !== 0x0a) {
      throw tarInvalid('archive/tar: invalid tar header: malformed PAX record');
    }
    const equals = data.indexOf(0x3d, space + 1);
    if (equals <= space + 1 || equals >= end) throw tarInvalid('archive/tar: invalid tar header: malformed PAX record');
    const key = data.toString('latin1', space + 1, equals);
    const value = data.toString('latin1', equals + 1, end - 1);
    if (key.includes('\0') || (NEVER_WITH_NUL.has(key) && value.includes('\0'))) {
      throw tarInvalid('archive/tar: invalid tar header: a name contains a NUL');
    }
    // GNU's sparse format 0.0 repeats these two keys; the list is kept by joining.
    if ((key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') && records.has(key)) {
      records.set(key, `${records.get(key)},${value}`);
    } else {
      records.set(key, value);
    }
    at = end;
  }
  return records;
}

/** One record, its own length included in the length. */
export function formatPaxRecord(key: string, value: string): Buffer {
  const body = ` ${key}=${value}\n`;
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.from(`${length}${body}`, 'latin1');
}
