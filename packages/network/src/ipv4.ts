/** An IPv4 block; `base` has no host bits. Addresses are unsigned 32-bit numbers throughout this package. */
export interface Block {
  readonly base: number;
  readonly prefix: number;
}

/** Dotted quad without leading zeros, as `netip` in Go reads it; `undefined` when it isn't one. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return undefined;
    const byte = Number(part);
    if (byte > 255) return undefined;
    value = value * 256 + byte;
  }
  return value;
}

export function formatAddress(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

export function maskOf(prefix: number): number {
  return prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
}

/** `a.b.c.d/n`; `exact` is false when host bits are set (`base` has them removed). */
export function parseBlock(text: string): (Block & { readonly exact: boolean }) | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9]\d?)$/.test(length)) return undefined;
  const prefix = Number(length);
  if (prefix > 32) return undefined;
  const base = (address & maskOf(prefix)) >>> 0;
  return { base, prefix, exact: base === address };
}

export function formatBlock(block: Block): string {
  return `${formatAddress(block.base)}/${block.prefix}`;
}

/** Number of addresses in it. */
export function sizeOf(block: Block): number {
  return 2 ** (32 - block.prefix);
}

export function lastOf(block: Block): number {
  return block.base + sizeOf(block) - 1;
}

export function contains(block: Block, address: number): boolean {
  return (address & maskOf(block.prefix)) >>> 0 === block.base;
}

export function overlaps(one: Block, other: Block): boolean {
  const prefix = Math.min(one.prefix, other.prefix);
  return (one.base & maskOf(prefix)) >>> 0 === (other.base & maskOf(prefix)) >>> 0;
}

/** The MAC that belongs to an address, in Docker's scheme: equal addresses keep equal neighbour entries valid. */
export function macOf(address: number): string {
  const hex = address.toString(16).padStart(8, '0');
  return `02:42:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`;
}
