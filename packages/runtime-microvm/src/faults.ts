import { Fault } from '@berth/kit';

/** The only place where this package's Faults are born. */
export const faults = {
  qemuMissing: (cause: unknown) => new Fault('unavailable', 'qemu-missing', 'QEMU (qemu-system-x86_64) is not installed', { cause }),
  templateFailed: (flavor: string, detail: string, cause?: unknown) =>
    new Fault('unavailable', 'template-failed', `the template for ${flavor} does not boot`, { detail, cause }),
  accelerationMissing: (detail: string) =>
    new Fault('unavailable', 'acceleration-missing', 'KVM was asked for, but no guest boots under it on this machine', { detail }),
  vmFailed: (message: string, detail: string, cause?: unknown) => new Fault('internal', 'vm-failed', message, { detail, cause }),
  memoryExhausted: (needBytes: number, availableBytes: number) =>
    new Fault(
      'exhausted',
      'memory-exhausted',
      `not enough memory for another virtual machine: it needs about ${mebibytes(needBytes)} MiB and the host has ${mebibytes(availableBytes)} MiB left`,
    ),
  flavorMissing: (what: string) => new Fault('invalid', 'flavor-missing', what),
  flavorTooSmall: (what: string) =>
    new Fault('conflict', 'flavor-too-small', `its virtual machine ${what}: stop the container, update it, and its next start gives it a larger one`),
  diskFull: (directory: string, detail: string, cause?: unknown) =>
    new Fault('exhausted', 'disk-full', `no space left on the disk that holds ${directory}`, { detail, cause }),
  mountFailed: (sentence: string, cause: unknown) => new Fault('invalid', 'mount-failed', sentence, { cause }),
  tooManyNetworks: (most: number) =>
    new Fault('exhausted', 'too-many-networks', `a virtual machine of this image has room for ${most} networks, and all of it is taken`),
  tooManyLayers: (count: number, most: number) => new Fault('unsupported', 'too-many-layers', `the image has ${count} layers; ${most} are the limit`),
  tooManyDisks: (count: number, most: number) =>
    new Fault('unsupported', 'too-many-disks', `the container has ${count} volumes that are disks; a virtual machine has room for ${most}`),
  monitorFailed: (message: string, detail?: string) => new Fault('internal', 'monitor-failed', message, detail === undefined ? {} : { detail }),
  deadline: (what: string, limitMs: number) => new Fault('deadline', 'vm-timeout', `${what} took longer than ${limitMs} ms`),
};

const mebibytes = (bytes: number) => Math.max(0, Math.floor(bytes / 1048576));
