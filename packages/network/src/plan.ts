import { isIPv6 } from 'node:net';
import type { Route } from '@berth/sys';
import { networkFault } from './faults.ts';
import { type Block, contains, formatAddress, formatBlock, lastOf, overlaps, parseAddress, parseBlock, sizeOf } from './ipv4.ts';
import type { AddressPool, NetworkDefinition } from './port.ts';

export type NetworkRequest = Omit<NetworkDefinition, 'bridge' | 'pools'> & { readonly pools: readonly Partial<AddressPool>[] };

/** Docker's default pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in /20 pieces. */
const defaultBlocks: readonly Block[] = [
  ...Array.from({ length: 15 }, (_, index) => ({ base: ((172 << 24) | ((17 + index) << 16)) >>> 0, prefix: 16 })),
  ...Array.from({ length: 16 }, (_, index) => ({ base: ((192 << 24) | (168 << 16) | (index << 12)) >>> 0, prefix: 20 })),
];

/**
 * Fills in what a request leaves open. A subnet that is chosen here avoids every other network and every route of the
 * host; one that the user gave is checked against the other networks only, as Docker does.
 */
export function planNetwork(prefix: string, request: NetworkRequest, existing: readonly NetworkDefinition[], routes: readonly Route[]): NetworkDefinition {
  if (request.driver === 'none') return { ...request, pools: [], bridge: '' };
  const others = existing.filter((network) => network.id !== request.id);
  const taken = others.flatMap((network) => network.pools.flatMap((pool) => parseBlock(pool.subnet) ?? []));
  const pools: AddressPool[] = [];
  for (const wish of request.pools.length === 0 ? [{}] : request.pools) {
    const pool = planPool(wish, taken, routes);
    const block = parseBlock(pool.subnet);
    if (block !== undefined) taken.push(block);
    pools.push(pool);
  }
  return { ...request, pools, bridge: bridgeName(prefix, request, new Set(others.map((network) => network.bridge))) };
}

function planPool(wish: Partial<AddressPool>, taken: readonly Block[], routes: readonly Route[]): AddressPool {
  const subnet = wish.subnet === undefined || wish.subnet === '' ? freeBlock(taken, routes) : requestedBlock(wish.subnet, taken);
  const range = wish.range === undefined || wish.range === '' ? undefined : requestedRange(wish.range, subnet);
  const reserved: Record<string, string> = {};
  for (const [name, address] of Object.entries(wish.reserved ?? {})) {
    addressWithin(subnet, address, (reason) => networkFault.configuration('reserved-invalid', `invalid auxiliary address ${name}: ${reason}`));
    reserved[name] = address;
  }
  const gateway =
    wish.gateway === undefined || wish.gateway === ''
      ? firstFree(range ?? subnet, subnet, new Set(Object.values(reserved)))
      : formatAddress(
          addressWithin(subnet, wish.gateway, (reason) => networkFault.configuration('gateway-invalid', `invalid gateway ${wish.gateway}: ${reason}`)),
        );
  return {
    subnet: formatBlock(subnet),
    gateway,
    ...(range === undefined ? {} : { range: formatBlock(range) }),
    ...(Object.keys(reserved).length === 0 ? {} : { reserved }),
  };
}

function requestedBlock(text: string, taken: readonly Block[]): Block {
  if (isIPv6(text.split('/')[0] ?? '')) throw networkFault.ipv6Unsupported(text);
  const block = parseBlock(text);
  if (block === undefined) throw networkFault.configuration('subnet-invalid', `invalid subnet ${text}: invalid CIDR block notation`);
  if (!block.exact) throw networkFault.configuration('subnet-invalid', `invalid subnet ${text}: it should be ${formatBlock(block)}`);
  // A gateway and one container are the least that makes a segment; a block this wide would swallow the default route.
  if (block.prefix > 30 || block.prefix < 4) throw networkFault.configuration('subnet-invalid', `invalid subnet ${text}: the prefix must be between 4 and 30`);
  const first = block.base >>> 24;
  if (first === 0 || first === 127 || first >= 224 || overlaps(block, { base: 0xa9fe0000, prefix: 16 })) {
    throw networkFault.configuration('subnet-invalid', `invalid subnet ${text}: it holds addresses that no network may use`);
  }
  if (taken.some((other) => overlaps(block, other))) throw networkFault.subnetOverlaps();
  return { base: block.base, prefix: block.prefix };
}

function requestedRange(text: string, subnet: Block): Block {
  const range = parseBlock(text);
  const fail = (reason: string) => networkFault.configuration('range-invalid', `invalid ip-range ${text}: ${reason}`);
  if (range === undefined) throw fail(isIPv6(text.split('/')[0] ?? '') ? 'parent subnet is an IPv4 block' : 'invalid CIDR block notation');
  if (range.prefix < subnet.prefix) throw fail(`CIDR block is bigger than its parent subnet ${formatBlock(subnet)}`);
  if (!range.exact) throw fail(`it should be ${formatBlock(range)}`);
  if (!overlaps(range, subnet)) throw fail(`parent subnet ${formatBlock(subnet)} doesn't contain ip-range`);
  return { base: range.base, prefix: range.prefix };
}

function addressWithin(subnet: Block, text: string, fail: (reason: string) => Error): number {
  const address = parseAddress(text);
  if (address === undefined) throw fail(isIPv6(text) ? 'parent subnet is an IPv4 block' : 'invalid address');
  if (!contains(subnet, address)) throw fail(`parent subnet ${formatBlock(subnet)} doesn't contain this address`);
  return address;
}

function firstFree(range: Block, subnet: Block, reserved: ReadonlySet<string>): string {
  for (let address = range.base; address <= lastOf(range); address++) {
    if (address === subnet.base || address === lastOf(subnet)) continue;
    const text = formatAddress(address);
    if (!reserved.has(text)) return text;
  }
  throw networkFault.configuration('gateway-invalid', `invalid gateway: no address is free in ${formatBlock(range)} (${sizeOf(range)} addresses)`);
}

function freeBlock(taken: readonly Block[], routes: readonly Route[]): Block {
  const used = [...taken, ...routes.filter((route) => route.mask !== 0).map((route) => ({ base: route.destination, prefix: Math.clz32(~route.mask) }))];
  const free = defaultBlocks.find((block) => !used.some((other) => overlaps(block, other)));
  if (free === undefined) throw networkFault.spaceExhausted();
  return free;
}

/** `<prefix>0` for the default network, else `<prefix>-` and the first free digits of the id; at most 15 bytes. */
function bridgeName(prefix: string, request: NetworkRequest, taken: ReadonlySet<string>): string {
  if (request.isDefault) return `${prefix}0`;
  for (let offset = 0; offset + 8 <= request.id.length; offset++) {
    const name = `${prefix}-${request.id.slice(offset, offset + 8)}`;
    if (!taken.has(name)) return name;
  }
  return `${prefix}-${request.id.slice(0, 8)}`;
}
