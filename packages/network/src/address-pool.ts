import { networkFault } from './faults.ts';
import { type Block, contains, formatAddress, lastOf, parseAddress, parseBlock } from './ipv4.ts';
import type { AddressPool } from './port.ts';

/**
 * The addresses of one pool. Gives the lowest free one within the range, as Docker does. A released address may be given
 * again at once: that is safe because its MAC stays the same and its connections are cut when it is released.
 */
export class PoolAddresses {
  readonly subnet: Block;
  readonly #first: number;
  readonly #last: number;
  readonly #never = new Set<number>();
  readonly #used = new Set<number>();
  /** No address below it is free. */
  #lowest: number;

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
    if (subnet.prefix < 31) {
      this.#never.add(subnet.base);
      this.#never.add(lastOf(subnet));
    }
    for (const text of [pool.gateway, ...Object.values(pool.reserved ?? {})]) {
      const address = parseAddress(text);
      if (address !== undefined) this.#never.add(address);
    }
    this.#lowest = this.#first;
  }

  /** The lowest free address, now taken; `undefined` when there is none. */
  take(): number | undefined {
    for (let address = this.#lowest; address <= this.#last; address++) {
      if (this.#never.has(address) || this.#used.has(address)) continue;
      this.#used.add(address);
      this.#lowest = address + 1;
      return address;
    }
    this.#lowest = this.#last + 1;
    return undefined;
  }

  /** Takes this very address, which may lie outside the range. Faults: `address-in-use`, `address-outside`. */
  takeExactly(address: number): void {
    if (!contains(this.subnet, address)) throw networkFault.addressOutside(formatAddress(address));
    if (this.#never.has(address) || this.#used.has(address)) throw networkFault.addressInUse();
    this.#used.add(address);
  }

  /** Marks an address as taken, whoever has it (a restart found it so). */
  adopt(address: number): void {
    if (contains(this.subnet, address)) this.#used.add(address);
  }

  release(address: number): void {
    if (!this.#used.delete(address)) return;
    if (address >= this.#first && address < this.#lowest) this.#lowest = address;
  }

  get usedCount(): number {
    return this.#used.size;
  }
}
