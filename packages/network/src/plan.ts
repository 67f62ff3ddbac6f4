import { isIPv6 } from 'node:net';
import type { Route } from '@berth/sys';
import {
  type Block,
  blockAround,
  contains,
  formatAddress,
  formatBlock,
  isV4,
  lastOf,
  overlaps,
  parseAddress,
  parseBlock,
  sizeOf,
  writtenPrefix,
} from './addresses.ts';
import { networkFault } from './faults.ts';
import type { AddressPool, NetworkDefinition } from './port.ts';

export type NetworkRequest = Omit<NetworkDefinition, 'bridge' | 'pools'> & { readonly pools: readonly Partial<AddressPool>[] };

const block = (text: string): Block => parseBlock(text) as Block;
/** Docker's default pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in /20 pieces. */
const defaultBlocks: readonly Block[] = [
  ...Array.from({ length: 15 }, (_, index) => block(`172.${17 + index}.0.0/16`)),
  ...Array.from({ length: 16 }, (_, index) => block(`192.168.${index * 16}.0/20`)),
];

/** Loopback, link-local, multicast, and what is no address at all: of both families. */
const unusable = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::/64', '64:ff9b::/96', 'fe80::/10', 'ff00::/8'].map(block);

/**
 * Fills in what a request leaves open: one pool of IPv4, and with `enableIpv6` one of IPv6. A subnet that is chosen here
 * avoids every other network and every route of the host; one that the user gave is checked against the other networks
 * only, as Docker does.
 */
export function planNetwork(prefix: string, request: NetworkRequest, existing: readonly NetworkDefinition[], routes: readonly Route[]): NetworkDefinition {
  if (request.driver === 'none') return { ...request, pools: [], bridge: '' };
  const others = existing.filter((network) => network.id !== request.id);
  const taken: Block[] = others.flatMap((network) => network.pools.flatMap((pool) => parseBlock(pool.subnet) ?? []));
  const v6 = request.pools.filter((pool) => isIPv6(pool.subnet?.split('/')[0] ?? ''));
  const v4 = request.pools.filter((pool) => !v6.includes(pool));
  const wishes = [...(v4.length === 0 ? [{}] : v4), ...(request.enableIpv6 !== true ? [] : v6.length === 0 ? [{ subnet: uniqueLocal(request.id) }] : v6)];
  const pools: AddressPool[] = [];
  for (const wish of wishes) {
    const pool = planPool(wish, taken, routes);
    taken.push(block(pool.subnet));
    pools.push(pool);
  }
  return { ...request, pools, bridge: bridgeName(prefix, request, new Set(others.map((network) => network.bridge))) };
}

/** RFC 4193: fd, and forty bits that nobody else is likely to have; the network's id is such. */
function uniqueLocal(id: string): string {
  return formatBlock(blockAround(BigInt(`0xfd${id.slice(0, 10)}`) << 80n, 64));
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
  const fail = (reason: string) => networkFault.configuration('subnet-invalid', `invalid subnet ${text}: ${reason}`);
  const found = parseBlock(text);
  if (found === undefined) throw fail('invalid CIDR block notation');
  if (!found.exact) throw fail(`it should be ${formatBlock(found)}`);
  // A gateway and one container are the least that makes a segment; a block this wide would swallow the default route.
  const [widest, narrowest] = isV4(found.base) ? [4, 30] : [16, 126];
  const prefix = writtenPrefix(found);
  if (prefix > narrowest || prefix < widest) throw fail(`the prefix must be between ${widest} and ${narrowest}`);
  if (unusable.some((other) => isV4(other.base) === isV4(found.base) && overlaps(found, other))) throw fail('it holds addresses that no network may use');
  if (taken.some((other) => overlaps(found, other))) throw networkFault.subnetOverlaps();
  return { base: found.base, prefix: found.prefix };
}

const familyOf = (subnet: Block) => `parent subnet is an ${isV4(subnet.base) ? 'IPv4' : 'IPv6'} block`;

function requestedRange(text: string, subnet: Block): Block {
  const range = parseBlock(text);
  const fail = (reason: string) => networkFault.configuration('range-invalid', `invalid ip-range ${text}: ${reason}`);
  if (range === undefined) throw fail('invalid CIDR block notation');
  if (isV4(range.base) !== isV4(subnet.base)) throw fail(familyOf(subnet));
  if (range.prefix < subnet.prefix) throw fail(`CIDR block is bigger than its parent subnet ${formatBlock(subnet)}`);
  if (!range.exact) throw fail(`it should be ${formatBlock(range)}`);
  if (!overlaps(range, subnet)) throw fail(`parent subnet ${formatBlock(subnet)} doesn't contain ip-range`);
  return { base: range.base, prefix: range.prefix };
}

function addressWithin(subnet: Block, text: string, fail: (reason: string) => Error): bigint {
  const address = parseAddress(text);
  if (address === undefined) throw fail('invalid address');
  if (isV4(address) !== isV4(subnet.base)) throw fail(familyOf(subnet));
  if (!contains(subnet, address)) throw fail(`parent subnet ${formatBlock(subnet)} doesn't contain this address`);
  return address;
}

function firstFree(range: Block, subnet: Block, reserved: ReadonlySet<string>): string {
  for (let address = range.base; address <= lastOf(range); address++) {
    if (address === subnet.base || (isV4(address) && address === lastOf(subnet))) continue;
    const text = formatAddress(address);
    if (!reserved.has(text)) return text;
  }
  throw networkFault.configuration('gateway-invalid', `invalid gateway: no address is free in ${formatBlock(range)} (${sizeOf(range)} addresses)`);
}

function freeBlock(taken: readonly Block[], routes: readonly Route[]): Block {
  const used = [...taken, ...routes.filter((route) => route.mask !== 0).map(blockOf)];
  const free = defaultBlocks.find((candidate) => !used.some((other) => overlaps(candidate, other)));
  if (free === undefined) throw networkFault.spaceExhausted();
  return free;
}

function blockOf({ destination, mask }: Route): Block {
  return blockAround((0xffffn << 32n) + BigInt(destination), 96 + Math.clz32(~mask));
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
