import { isIPv4, isIPv6 } from 'node:net';

/**
 * Addresses of both families are numbers of 128 bits throughout this package, IPv4 where RFC 4291 2.5.5.2 maps it
 * (`::ffff:0:0/96`), so that blocks, pools and comparisons have one arithmetic. Prefixes count from the same end: 96 more
 * than is written for IPv4.
 */
export interface Block {
  /** Without host bits. */
  readonly base: bigint;
  readonly prefix: number;
}

const mapped = 0xffffn << 32n;
const mappedPrefix = 96;
const every = (1n << 128n) - 1n;

export function isV4(address: bigint): boolean {
  return address >> 32n === 0xffffn;
}

/** As it is written for people, without leading zeros in quads, as `netip` in Go reads it; `undefined` when it isn't one. */
export function parseAddress(text: string): bigint | undefined {
  if (isIPv4(text)) return mapped + BigInt(text.split('.').reduce((value, byte) => value * 256 + Number(byte), 0));
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const quad = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const [a = 0, b = 0, c = 0, d = 0] = quad?.slice(2).map(Number) ?? [];
  const [front = '', back] = (quad === null ? text : `${quad[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`).split('::');
  const groups = (half: string) => (half === '' ? [] : half.split(':'));
  const head = groups(front);
  const tail = groups(back ?? '');
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
  const value = all.reduce((sum, group) => (sum << 16n) + BigInt(Number.parseInt(group, 16)), 0n);
  // One spelling for each: what is mapped is IPv4, and written so.
  return isV4(value) ? undefined : value;
}

/** RFC 5952: lower-case, the longest run of zero groups left out. */
export function formatAddress(address: bigint): string {
  if (isV4(address)) return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((address >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  const runs = [
    ...groups
      .map((group) => (group === '0' ? '0' : '-'))
      .join('')
      .matchAll(/00+/g),
  ];
  const longest = runs.reduce<{ at: number; length: number }>((best, run) => (run[0].length > best.length ? { at: run.index, length: run[0].length } : best), {
    at: 0,
    length: 0,
  });
  if (longest.length === 0) return groups.join(':');
  return `${groups.slice(0, longest.at).join(':')}::${groups.slice(longest.at + longest.length).join(':')}`;
}

function maskOf(prefix: number): bigint {
  return every ^ ((1n << BigInt(128 - prefix)) - 1n);
}

/** The block around an address. */
export function blockAround(address: bigint, prefix: number): Block {
  return { base: address & maskOf(prefix), prefix };
}

/** `a.b.c.d/n` or `a:b::/n`; `exact` is false when host bits are set (`base` has them removed). */
export function parseBlock(text: string): (Block & { readonly exact: boolean }) | undefined {
  const slash = text.indexOf('/');
  const address = slash < 0 ? undefined : parseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefix = Number(length) + (isV4(address) ? mappedPrefix : 0);
  if (prefix > 128) return undefined;
  const block = blockAround(address, prefix);
  return { ...block, exact: block.base === address };
}

export function formatBlock(block: Block): string {
  return `${formatAddress(block.base)}/${writtenPrefix(block)}`;
}

/** As users count it. */
export function writtenPrefix(block: Block): number {
  return isV4(block.base) ? block.prefix - mappedPrefix : block.prefix;
}

/** Number of addresses in it. */
export function sizeOf(block: Block): bigint {
  return 1n << BigInt(128 - block.prefix);
}

export function lastOf(block: Block): bigint {
  return block.base + sizeOf(block) - 1n;
}

export function contains(block: Block, address: bigint): boolean {
  return (address & maskOf(block.prefix)) === block.base;
}

export function overlaps(one: Block, other: Block): boolean {
  const mask = maskOf(Math.min(one.prefix, other.prefix));
  return (one.base & mask) === (other.base & mask);
}

/** The MAC that belongs to an IPv4 address, in Docker's scheme: equal addresses keep equal neighbour entries valid. */
export function macOf(address: bigint): string {
  const hex = (address & 0xffffffffn).toString(16).padStart(8, '0');
  return `02:42:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`;
}
