import type { StartTrace } from './trace.ts';

/** Where the guest's kernel and agent lie, as `programs/guest` built them. */
export interface Guest {
  /** Absolute path of a bzImage. */
  readonly kernel: string;
  readonly initramfs: string;
  /** e.g. `6.1.0-56-amd64`. */
  readonly kernelVersion: string;
  readonly agentVersion: string;
  /** Changes whenever kernel or initramfs change: templates are kept under it. */
  readonly key: string;
  /** What the kernel is told under each acceleration. */
  readonly commandLine: { readonly kvm: string; readonly tcg: string };
}

export interface PoolOptions {
  /** Children kept ready for each image in use; default 2, 0 turns the pool off. */
  readonly size?: number;
  /** Images that children are kept for, most recently used first; default 4. */
  readonly images?: number;
  /** Virtual machines being made at the same time; default: the number of CPUs. */
  readonly parallel?: number;
  /** Host memory that must stay available, bytes; default 5% of it, at least 256 MiB. */
  readonly reserveBytes?: number;
}

export interface MicrovmRuntimeOptions {
  /** Survives reboots: `templates/`, `containers/<id>/`. */
  readonly stateDirectory: string;
  /** Sockets and `vms/<vm>/`; emptied by a reboot. Keep it short: socket paths have at most 107 bytes. */
  readonly runDirectory: string;
  /** Begins every tap's name (`<prefix>t…`); at most 6 characters. */
  readonly prefix: string;
  readonly guest: Guest;
  /** `auto` (default) boots a guest under KVM to see whether that works here. */
  readonly acceleration?: 'auto' | 'kvm' | 'tcg';
  /** Clones are forked processes where that is possible, under emulation; `false`: restored from a template's state, as with KVM. */
  readonly forks?: boolean;
  readonly pool?: PoolOptions;
  /** Virtual size of a container's writable layer, bytes; default 10 GiB. */
  readonly scratchBytes?: number;
  /** Disk budget of the templates made for images, bytes; default 4 GiB. */
  readonly templateBudgetBytes?: number;
  /** One line, for the operator's log. */
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** What takes long at the first start, as a sentence for the person who waits. */
  readonly progress?: (message: string) => void;
  /** The phases of each start, once it has ended. */
  readonly onTrace?: (trace: StartTrace) => void;
}
