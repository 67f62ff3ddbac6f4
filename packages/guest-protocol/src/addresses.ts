import { isIPv4, isIPv6 } from 'node:net';
import { Fault } from '@berth/kit';

function invalid(text: string): Fault {
  return new Fault('invalid', 'address-invalid', `invalid address: ${text}`);
}

export function macBytes(text: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw invalid(text);
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

export function ipv4Bytes(text: string): Buffer {
  if (!isIPv4(text)) throw invalid(text);
  return Buffer.from(text.split('.').map(Number));
}

/** RFC 4291, section 2.2: with one `::` at most, and perhaps dotted quads at the end. */
export function ipv6Bytes(text: string): Buffer {
  if (!isIPv6(text) || text.includes('%')) throw invalid(text);
  const groups = (half: string): number[] =>
    half === ''
      ? []
      : half.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)];
          const quad = ipv4Bytes(group);
          return [quad.readUInt16BE(0), quad.readUInt16BE(2)];
        });
  const [front = '', back] = text.split('::');
  const head = groups(front);
  const tail = back === undefined ? [] : groups(back);
  const bytes = Buffer.alloc(16);
  head.forEach((group, i) => bytes.writeUInt16BE(group, i * 2));
  tail.forEach((group, i) => bytes.writeUInt16BE(group, 16 - (tail.length - i) * 2));
  return bytes;
}
