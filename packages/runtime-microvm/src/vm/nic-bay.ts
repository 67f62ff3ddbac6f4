import { closeSync } from 'node:fs';
import { isFault } from '@berth/kit';
import type { NicSpec } from '@berth/runtime';
import { faults } from '../faults.ts';
import type { Flavor } from '../flavor.ts';
import type { VmProcess } from './process.ts';
import { type NicRecord, type VmRecord, writeRecord } from './record.ts';
import type { Taps } from './taps.ts';

/** The network devices of one VM: the first has a tap from the start, the others get one when they are first used. */
export class NicBay {
  readonly #taps: Taps;
  readonly #vm: VmProcess;
  #record: VmRecord;

  constructor(taps: Taps, vm: VmProcess, record: VmRecord) {
    this.#taps = taps;
    this.#vm = vm;
    this.#record = record;
  }

  /** What the machine was booted with. */
  get flavor(): Flavor {
    return this.#record.flavor;
  }

  /** Before the start: network i gets device i. Fault `too-many-networks`. */
  async attachAll(networks: readonly NicSpec[]): Promise<void> {
    if (networks.length > this.#record.flavor.nics) throw faults.tooManyNetworks(this.#record.flavor.nics);
    for (const [index, nic] of networks.entries()) await this.#attach(nic, index);
  }

  get networkIds(): string[] {
    return this.#record.nics.flatMap(({ networkId }) => networkId ?? []);
  }

  /** While it runs; again, when an earlier daemon may have come only half the way. `configure` makes the device known inside the guest. */
  async connect(nic: NicSpec, configure: (device: number) => Promise<void>): Promise<void> {
    const used = new Set(this.#record.nics.filter((entry) => entry.networkId !== undefined).map((entry) => entry.index));
    let index = 0;
    while (used.has(index)) index++;
    index = this.#record.nics.find((entry) => entry.networkId === nic.networkId)?.index ?? index;
    if (index >= this.#record.flavor.nics) throw faults.tooManyNetworks(this.#record.flavor.nics);
    await this.#attach(nic, index);
    try {
      await configure(index);
    } catch (error) {
      this.#detach(index);
      throw error;
    }
  }

  async disconnect(networkId: string, remove: (name: string) => Promise<void>): Promise<void> {
    const entry = this.#record.nics.find((nic) => nic.networkId === networkId);
    if (entry === undefined) return;
    if (entry.name !== undefined) {
      await remove(entry.name).catch((error: unknown) => {
        // An earlier daemon got as far as that, or never so far as to have it there.
        if (!isFault(error, 'device-missing')) throw error;
      });
    }
    this.#detach(entry.index);
  }

  /** Off every bridge: nothing of it can be reached any more. */
  detachAll(): void {
    for (const nic of this.#record.nics) if (nic.bridge !== undefined) this.#taps.detach(nic.tap, nic.bridge);
  }

  async #attach(nic: NicSpec, index: number): Promise<void> {
    const tap = this.#record.nics.find((entry) => entry.index === index)?.tap ?? (await this.#plug(index));
    // Written before it is done: whoever comes after a crash knows what may be plugged in.
    this.#write({ index, tap, networkId: nic.networkId, name: nic.name, ...(nic.bridge === '' ? {} : { bridge: nic.bridge }) });
    // Without a bridge (`--network none` on some other adapter's terms) the device stays a cable in the air.
    if (nic.bridge === '') return;
    this.#taps.detach(tap, nic.bridge);
    this.#taps.attach(tap, nic.bridge, nic.mtu);
  }

  /** Gives a device its tap. QEMU cannot change a device's back end, so the device hangs on a hub from the start. */
  async #plug(index: number): Promise<string> {
    // Held by QEMU already: an earlier daemon died before it had written that down, or before QEMU had put it to use.
    const isHeld = this.#taps.exists(this.#record.id, index);
    const tap = isHeld ? undefined : this.#taps.open(this.#record.id, index, { vnetHeader: false });
    try {
      const monitor = await this.#vm.connectMonitor();
      try {
        if (tap !== undefined) await monitor.giveDescriptor(`tap${index}`, tap.fd);
        const add = (device: object): Promise<unknown> =>
          monitor.execute('netdev_add', { ...device }).catch((error: unknown) => {
            if (!isHeld || !isFault(error, 'monitor-failed') || !/duplicate id/i.test(`${error.message} ${error.detail}`)) throw error;
          });
        await add({ type: 'tap', id: `tap${index}`, fd: `tap${index}` });
        await add({ type: 'hubport', id: `plug${index}`, hubid: index, netdev: `tap${index}` });
      } finally {
        monitor[Symbol.dispose]();
      }
      return this.#taps.name(this.#record.id, index);
    } finally {
      if (tap !== undefined) closeSync(tap.fd);
    }
  }

  #detach(index: number): void {
    const entry = this.#record.nics.find((nic) => nic.index === index);
    if (entry === undefined) return;
    if (entry.bridge !== undefined) this.#taps.detach(entry.tap, entry.bridge);
    this.#write({ index, tap: entry.tap });
  }

  #write(entry: NicRecord): void {
    this.#record = { ...this.#record, nics: [...this.#record.nics.filter((nic) => nic.index !== entry.index), entry] };
    writeRecord(this.#vm.paths.directory, this.#record);
  }
}
