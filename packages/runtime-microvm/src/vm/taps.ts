import { attachToBridge, detachFromBridge, linkExists, openTap, setLinkMtu, setLinkUp } from '@berth/sys';
import { faults } from '../faults.ts';

/** Taps of VMs: `<prefix>t<vm><device>`. They go with their QEMU. */
export class Taps {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  name(vmId: string, device: number): string {
    return `${this.#prefix}t${vmId}${device.toString(16)}`;
  }

  /** Whether it is there: some process holds it. */
  exists(vmId: string, device: number): boolean {
    return linkExists(this.name(vmId, device));
  }

  /** Makes one, attached to nothing and down. The caller closes the descriptor once QEMU has it. */
  open(vmId: string, device: number, options: { vnetHeader: boolean }): { name: string; fd: number } {
    const name = this.name(vmId, device);
    return { name, fd: openTap(name, options) };
  }

  /** Puts it on a bridge. Fault `vm-failed` when the bridge is not there. */
  attach(tap: string, bridge: string, mtu: number): void {
    try {
      if (mtu !== 1500) setLinkMtu(tap, mtu);
      attachToBridge(bridge, tap);
      setLinkUp(tap, true);
    } catch (error) {
      throw faults.vmFailed(`the virtual machine cannot be connected to ${bridge}`, String(error), error);
    }
  }

  /** Takes it off its bridge; a tap or a bridge that is no more is as good. */
  detach(tap: string, bridge: string): void {
    try {
      setLinkUp(tap, false);
      detachFromBridge(bridge, tap);
    } catch {
      // Gone with its QEMU, or with the network.
    }
  }
}
