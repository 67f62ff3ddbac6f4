import { tarInvalid } from '../faults.ts';

/**
 * A numeric header field: octal digits padded with spaces or NULs, or, with the first bit set, GNU's big-endian binary
 * form. Empty is 0.
 */
export function readNumber(block: Buffer, offset: number, length: number, field: string): number {
  const first = block[offset] ?? 0;
  if (first & 0x80) return readBinary(block, offset, length, field);
  let text = block.toString('latin1', offset, offset + length);
  const end = text.indexOf('\0');
  if (end >= 0) text = text.slice(0, end);
  text = text.trim();
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw tarInvalid(`archive/tar: invalid tar header: ${field} is not a number`);
  return Number.parseInt(text, 8);
}

function readBinary(block: Buffer, offset: number, length: number, field: string): number {
  const negative = block[offset] === 0xff;
  let value = BigInt((block[offset] ?? 0) & (negative ? 0xff : 0x7f));
  for (let at = 1; at < length; at++) value = (value << 8n) | BigInt(block[offset + at] ?? 0);
  if (negative) value -= 1n << BigInt(8 * length);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw tarInvalid(`archive/tar: invalid tar header: ${field} is out of range`);
  return number;
}

/** Text up to the first NUL. */
export function readText(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset);
  return block.toString('latin1', offset, end < 0 || end > offset + length ? offset + length : end);
}

/** POSIX says the sum is of unsigned bytes; old writers summed signed ones. Both are accepted, as everywhere. */
export function checksumMatches(block: Buffer): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < 512; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] as number);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const text = readText(block, 148, 8).trim();
  if (!/^[0-7]+$/.test(text)) return false;
  const stored = Number.parseInt(text, 8);
  return stored === unsigned || stored === signed;
}
