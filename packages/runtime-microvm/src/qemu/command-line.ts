import type { Flavor } from '../flavor.ts';

export interface Machine {
  /** `berth.<instance>.<vm>`: by it the process is found again. */
  readonly name: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly flavor: Flavor;
  readonly acceleration: 'kvm' | 'tcg';
  readonly kernelArguments: string;
  readonly ram: { readonly path: string; readonly shared: boolean };
  /** With layers, in the first places; those left over hold `placeholder`. `joined` ones are described by their file. */
  readonly layers: readonly { readonly path: string; readonly joined: boolean }[];
  readonly scratch: string | undefined;
  /** Files with volumes, in the last places before the spool; they can be written. */
  readonly disks: readonly string[];
  /** What bulk goes through between host and guest. */
  readonly spool: string | undefined;
  /** The folder below which the host's directories appear that this machine may see. */
  readonly shares: string;
  /** A file of 512 bytes for devices that nothing uses yet. */
  readonly placeholder: string;
  /** Inherited descriptors: listening sockets, the tap of the first network device, the saved device state. */
  readonly agentFd: number;
  readonly monitorFd: number;
  readonly tapFd: number | undefined;
  readonly incomingFd: number | undefined;
  /** It will be forked, so it must be able to make processes; its children are kept from that by `native/vm-fork.c`. */
  readonly forkable?: boolean;
  /** Where the console goes; absent: nowhere. */
  readonly consoleLog?: string;
}

/**
 * `erms` and `fsrm` make the kernel clear and copy pages by `rep stosb`, which the emulator does byte by byte; `smap` and
 * `smep` cost instructions at each copy to or from a process; `la57` makes each page walk longer.
 */
export const CPU_MODELS = { kvm: 'host', tcg: 'max,-erms,-fsrm,-smap,-smep,-umip,-la57' };

/**
 * QEMU's arguments. A template and its clones must have the same devices in the same order. Layers begin with block device
 * 0; behind all places for layers and disks come the spool and, as `scratchPlace`, the writable layer.
 */
export function commandLine(machine: Machine): string[] {
  const { flavor } = machine;
  const args = ['-name', machine.name, '-nodefaults', '-no-user-config', '-nographic'];
  args.push('-sandbox', `on,obsolete=deny,elevateprivileges=deny,${machine.forkable === true ? '' : 'spawn=deny,'}resourcecontrol=deny`);
  args.push('-M', 'microvm,memory-backend=mem,ioapic2=on,isa-serial=on,acpi=on,pit=on,pic=on,rtc=on');
  args.push('-accel', machine.acceleration === 'kvm' ? 'kvm' : `tcg,thread=${flavor.vcpus > 1 ? 'multi' : 'single'}`);
  args.push('-cpu', CPU_MODELS[machine.acceleration]);
  args.push('-smp', `${flavor.vcpus}`, '-m', `${flavor.memoryMib}M`);
  args.push('-object', `memory-backend-file,id=mem,size=${flavor.memoryMib}M,mem-path=${comma(machine.ram.path)},share=${machine.ram.shared ? 'on' : 'off'}`);
  // A clone has its kernel in memory. QEMU would read both files and keep 9 MB of them on its heap for a reset that never comes.
  if (machine.incomingFd === undefined) {
    args.push('-kernel', machine.kernel, '-initrd', machine.initramfs);
    args.push('-append', machine.kernelArguments);
  }
  args.push('-no-reboot');
  args.push('-serial', machine.consoleLog === undefined ? 'null' : `file:${machine.consoleLog}`);
  args.push('-chardev', `socket,id=monitor,fd=${machine.monitorFd},server=on,wait=off`, '-mon', 'chardev=monitor,mode=control');
  args.push('-device', 'virtio-balloon-device,free-page-reporting=on');
  args.push('-device', 'virtio-serial-device,max_ports=2');
  args.push('-chardev', `socket,id=agent,fd=${machine.agentFd},server=on,wait=off`);
  args.push('-device', 'virtserialport,chardev=agent,name=berth.agent');
  for (let slot = 0; slot < flavor.layerSlots; slot++) {
    const layer = machine.layers[slot];
    const disk = machine.disks[slot - (flavor.layerSlots - machine.disks.length)];
    args.push(...block(`layer${slot}`, layer?.path ?? disk ?? machine.placeholder, { readonly: disk === undefined, joined: layer?.joined === true }));
  }
  args.push(...block('spool', machine.spool ?? machine.placeholder, { readonly: machine.spool === undefined, joined: false }));
  args.push(...block('scratch', machine.scratch ?? machine.placeholder, { readonly: machine.scratch === undefined, joined: false }));
  // As `mount --bind` would have it: who is root in the container is root in these directories.
  args.push('-fsdev', `local,id=shares,path=${comma(machine.shares)},security_model=passthrough,multidevs=remap`);
  args.push('-device', 'virtio-9p-device,fsdev=shares,mount_tag=berth');
  for (let nic = 0; nic < flavor.nics; nic++) {
    if (nic === 0 && machine.tapFd !== undefined) args.push('-netdev', `tap,id=net0,fd=${machine.tapFd}`);
    else args.push('-netdev', `hubport,id=net${nic},hubid=${nic}`);
    args.push('-device', `virtio-net-device,id=nic${nic},netdev=net${nic},mac=02:be:27:00:00:0${nic}`);
  }
  if (machine.incomingFd !== undefined) args.push('-global', 'migration.send-configuration=off', '-incoming', `fd:${machine.incomingFd}`);
  return args;
}

function block(id: string, path: string, { readonly, joined }: { readonly: boolean; readonly joined: boolean }): string[] {
  const drive = [`if=none`, `id=${id}`, `file=${comma(path)}`, `format=${joined ? 'vmdk' : 'raw'}`, 'file.locking=off'];
  if (readonly) drive.push('readonly=on');
  else drive.push('discard=unmap', 'detect-zeroes=off', 'cache=writeback');
  return ['-drive', drive.join(','), '-device', `virtio-blk-device,drive=${id},num-queues=1`];
}

/** The writable layer's place among the block devices. */
export const scratchPlace = (flavor: Flavor): number => flavor.layerSlots + 1;

/** QEMU's option parser takes `,,` for a comma. */
const comma = (text: string): string => text.replaceAll(',', ',,');
