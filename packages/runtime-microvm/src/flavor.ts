import { faults } from './faults.ts';

const MIB = 1 << 20;

/** A named size of virtual machine: what a template is booted with. */
export interface Flavor {
  readonly memoryMib: number;
  readonly vcpus: number;
  /** Block devices for layers, and for disks. */
  readonly layerSlots: number;
  /** Network devices; the first is there from the start, the others are for `connectNetwork`. */
  readonly nics: number;
}

const MEMORY_LADDER_MIB = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];
const VCPU_LADDER = [1, 2, 4, 8, 16, 32];
const DEFAULT_MEMORY_MIB = 1024;

/**
 * A microvm has 24 virtio-mmio places with its second interrupt controller. One each goes to the agent's port, the
 * balloon, the writable layer, the spool and the host's directories, four to networks; the rest is for layers and disks of volumes, in
 * two arrangements, since each costs memory. Layers that find no place of their own share one (`layer-disks.ts`).
 */
const NICS = 4;
const FEW = 5;
const MANY = 15;

/** As in Docker. */
export const MAX_LAYERS = 127;
export const MAX_DISKS = MANY - 1;

/** Mounted layers of which each MiB holds so many: a squashfs keeps a quarter of one for itself. */
const LAYERS_PER_MIB = 4;

/** What the guest itself needs beside the container's limit: kernel, agent and the tables for its memory. */
export function guestOverheadMib(memoryMib: number): number {
  return 56 + Math.ceil(memoryMib / 48);
}

/** The smallest flavor with room for what is asked. Faults: `flavor-missing`, `too-many-layers`, `too-many-disks`. */
export function chooseFlavor(request: { memoryBytes?: number; cpus?: number; layers: number; disks?: number; emulated: boolean; hostCpus: number }): Flavor {
  const { layers, disks = 0 } = request;
  if (layers > MAX_LAYERS) throw faults.tooManyLayers(layers, MAX_LAYERS);
  if (disks > MAX_DISKS) throw faults.tooManyDisks(disks, MAX_DISKS);
  const layerSlots = Math.min(layers, FEW) + disks <= FEW ? FEW : MANY;
  let memoryMib: number | undefined = DEFAULT_MEMORY_MIB;
  if (request.memoryBytes !== undefined && request.memoryBytes > 0) {
    const limitMib = Math.ceil(request.memoryBytes / MIB);
    const neededMib = limitMib + Math.floor(layers / LAYERS_PER_MIB);
    memoryMib = MEMORY_LADDER_MIB.find((size) => size - guestOverheadMib(size) >= neededMib);
    if (memoryMib === undefined) throw faults.flavorMissing(`no virtual machine is large enough for a limit of ${limitMib} MiB`);
  }
  // A fraction above a whole number needs the next CPU; the rest is a limit inside the guest.
  const wanted = request.cpus === undefined || request.cpus <= 0 ? defaultVcpus(request) : Math.ceil(request.cpus);
  const most = Math.max(1, request.hostCpus);
  const vcpus = VCPU_LADDER.find((count) => count >= Math.min(wanted, most)) ?? most;
  return { memoryMib, vcpus: Math.min(vcpus, most), layerSlots, nics: NICS };
}

/** Whether a machine that runs has room for other limits: it was booted with what it has. Fault `flavor-too-small`. */
export function requireRoom(flavor: Flavor, limits: { memoryBytes?: number; cpus?: number }): void {
  const mostMib = flavor.memoryMib - guestOverheadMib(flavor.memoryMib);
  if ((limits.memoryBytes ?? 0) > mostMib * MIB) {
    throw faults.flavorTooSmall(
      `has ${flavor.memoryMib} MiB, with room for a limit of ${mostMib} MiB, not of ${Math.ceil((limits.memoryBytes ?? 0) / MIB)} MiB`,
    );
  }
  if ((limits.cpus ?? 0) > flavor.vcpus) throw faults.flavorTooSmall(`has ${flavor.vcpus} CPU${flavor.vcpus === 1 ? '' : 's'}, not ${limits.cpus}`);
}

/** Under emulation each vCPU is a thread that translates for itself: one unless more are asked for. */
function defaultVcpus(request: { emulated: boolean; hostCpus: number }): number {
  return request.emulated ? 1 : Math.min(2, request.hostCpus);
}

/** `1024m-1c-5l`: part of file names and of what `docker info` shows. */
export function flavorName(flavor: Flavor): string {
  return `${flavor.memoryMib}m-${flavor.vcpus}c-${flavor.layerSlots}l`;
}
