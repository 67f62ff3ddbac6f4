import { type Block, contains, formatAddress, isV4, lastOf, parseAddress, parseBlock, sizeOf } from './addresses.ts';
import { networkFault } from './faults.ts';
import type { AddressPool } from './port.ts';

/**
 * The addresses of one pool. Gives the lowest free one within the range, as Docker does. A released address may be given
 * again at once: that is safe because its MAC stays the same and its connections are cut when it is released.
 */
export class PoolAddresses {
  readonly subnet: Block;
  readonly #first: bigint;
  readonly #last: bigint;
  readonly #never = new Set<bigint>();
  readonly #used = new Set<bigint>();
  /** No address below it is free. */
  #lowest: bigint;

  /** The pool must be one that `plan` gave. */
  constructor(pool: AddressPool) {
    const subnet = parseBlock(pool.subnet);
    const range = parseBlock(pool.range ?? pool.subnet);
    if (subnet === undefined || range === undefined) {
      throw networkFault.configuration('subnet-invalid', `invalid subnet ${pool.subnet}: invalid CIDR block notation`);
    }
    this.subnet = subnet;
    this.#first = range.base;
    this.#last = lastOf(range);
    if (sizeOf(subnet) > 2n) {
      // The network's own address; for IPv6 that of all its routers (RFC 4291 2.6.1). Only IPv4 has a broadcast address.
      this.#never.add(subnet.base);
      if (isV4(subnet.base)) this.#never.add(lastOf(subnet));
    }
    for (const text of [pool.gateway, ...Object.values(pool.reserved ?? {})]) {
      const address = parseAddress(text);
      if (address !== undefined) this.#never.add(address);
    }
    this.#lowest = this.#first;
  }

  get isV4(): boolean {
    return isV4(this.subnet.base);
  }

  /** The lowest free address, now taken; `undefined` when there is none. */
  take(): bigint | undefined {
    for (let address = this.#lowest; address <= this.#last; address++) {
      if (this.#never.has(address) || this.#used.has(address)) continue;
      this.#used.add(address);
      this.#lowest = address + 1n;
      return address;
    }
    this.#lowest = this.#last + 1n;
    return undefined;
  }

  /** Takes this very address, which may lie outside the range. Faults: `address-in-use`, `address-outside`. */
  takeExactly(address: bigint): void {
    if (!contains(this.subnet, address)) throw networkFault.addressOutside(formatAddress(address));
    if (this.#never.has(address) || this.#used.has(address)) throw networkFault.addressInUse();
    this.#used.add(address);
  }

  /** Marks an address as taken, whoever has it (a restart found it so). */
  adopt(address: bigint): void {
    if (contains(this.subnet, address)) this.#used.add(address);
  }

  release(address: bigint): void {
    if (!this.#used.delete(address)) return;
    if (address >= this.#first && address < this.#lowest) this.#lowest = address;
  }

  get usedCount(): number {
    return this.#used.size;
  }
}
