import { closeSync } from 'node:fs';
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

  /** While it runs. `configure` makes the device known inside the guest. */
  async connect(nic: NicSpec, configure: (device: number) => Promise<void>): Promise<void> {
    const used = new Set(this.#record.nics.filter((entry) => entry.networkId !== undefined).map((entry) => entry.index));
    let index = 0;
    while (used.has(index)) index++;
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
    if (entry.name !== undefined) await remove(entry.name);
    this.#detach(entry.index);
  }

  /** Off every bridge: nothing of it can be reached any more. */
  detachAll(): void {
    for (const nic of this.#record.nics) if (nic.bridge !== undefined) this.#taps.detach(nic.tap, nic.bridge);
  }

  async #attach(nic: NicSpec, index: number): Promise<void> {
    const tap = this.#record.nics.find((entry) => entry.index === index)?.tap ?? (await this.#plug(index));
    // Without a bridge (`--network none` on some other adapter's terms) the device stays a cable in the air.
    if (nic.bridge !== '') this.#taps.attach(tap, nic.bridge, nic.mtu);
    this.#write({ index, tap, networkId: nic.networkId, name: nic.name, ...(nic.bridge === '' ? {} : { bridge: nic.bridge }) });
  }

  /** Gives a device its tap. QEMU cannot change a device's back end, so the device hangs on a hub from the start. */
  async #plug(index: number): Promise<string> {
    const tap = this.#taps.open(this.#record.id, index, { vnetHeader: false });
    try {
      const monitor = await this.#vm.connectMonitor();
      try {
        await monitor.giveDescriptor(`tap${index}`, tap.fd);
        await monitor.execute('netdev_add', { type: 'tap', id: `tap${index}`, fd: `tap${index}` });
        await monitor.execute('netdev_add', { type: 'hubport', id: `plug${index}`, hubid: index, netdev: `tap${index}` });
      } finally {
        monitor[Symbol.dispose]();
      }
      return tap.name;
    } finally {
      closeSync(tap.fd);
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
