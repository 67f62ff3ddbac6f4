import { type ContainerSpec, disksOf, type Limits, type Mount, type NicSpec, type ProcessSpec } from '@berth/runtime';
import { BodyWriter } from './body.ts';
import { ipv4Bytes, ipv6Bytes, macBytes } from './addresses.ts';
import { capabilityMask, rlimitNumber } from './names.ts';

/** Writes a process as the agent's `read_process_spec` reads it. */
export function writeProcess(body: BodyWriter, spec: ProcessSpec): void {
  body.strings(spec.args).strings(spec.env).string(spec.cwd).string(spec.user).strings(spec.additionalGroups);
  body
    .u8(spec.terminal)
    .u32(spec.terminalSize?.columns ?? 0)
    .u32(spec.terminalSize?.rows ?? 0)
    .u8(spec.stdin);
  body.list(spec.rlimits, (limit) => {
    // -1 is "unlimited", in Docker's words and, as all ones, in the kernel's.
    body.u32(rlimitNumber(limit.name)).u64(limit.soft).u64(limit.hard);
  });
  body.u64(capabilityMask(spec.capabilities)).u8(spec.noNewPrivileges);
}

/** Zero stands for "not limited". */
export function writeLimits(body: BodyWriter, limits: Limits): void {
  body.u64(limits.memoryBytes ?? 0).u64(Math.max(0, limits.memorySwapBytes ?? 0));
  body.u64(Math.round((limits.cpus ?? 0) * 1000)).u64(Math.max(0, limits.pids ?? 0));
}

export function writeNic(body: BodyWriter, nic: NicSpec): void {
  const none = Buffer.alloc(0);
  body.string(nic.name).bytes(nic.mac === '' ? none : macBytes(nic.mac));
  body.bytes(nic.ipv4.address === '' ? none : ipv4Bytes(nic.ipv4.address)).u8(nic.ipv4.prefix);
  body.bytes(nic.ipv6 === undefined ? none : ipv6Bytes(nic.ipv6.address)).u8(nic.ipv6?.prefix ?? 0);
  body.bytes(nic.gateway === undefined ? none : ipv4Bytes(nic.gateway));
  body.bytes(nic.ipv6Gateway === undefined ? none : ipv6Bytes(nic.ipv6Gateway));
  body.u32(nic.mtu);
}

const mountKind = { tmpfs: 0, share: 1, block: 2, socket: 3 } as const;

/** A share is known in the guest by its place in the list, a disk by how many places before the writable layer it is, with the spool between. */
export function writeMounts(body: BodyWriter, mounts: readonly Mount[]): void {
  const disks = disksOf(mounts);
  let index = 0;
  body.list(mounts, (mount) => {
    const name = String(index++);
    body.u8(mountKind[mount.type]).string(mount.target);
    if (mount.type === 'tmpfs') {
      body.strings(mount.options).string('').u32(0).u8(0);
      return;
    }
    if (mount.type === 'socket') {
      const { mode, owner, group } = mount;
      body
        .strings([])
        .string(`${mode.toString(8)}:${owner}:${group}`)
        .u32(0)
        .u8(mount.readonly ? 1 : 0);
      return;
    }
    body.strings([]).string(mount.type === 'share' ? name : mount.subpath);
    body.u32(mount.type === 'share' ? 0 : 1 + disks.length - disks.indexOf(mount.disk));
    body.u8((mount.readonly ? 1 : 0) | (mount.copy ? 2 : 0));
  });
}

/** The body of `start`. */
export function encodeStart(spec: ContainerSpec): Buffer {
  const body = new BodyWriter();
  body.string(spec.hostname).string(spec.domainname);
  body.string(spec.files.hosts).string(spec.files.resolvConf).string(spec.files.hostname);
  body.u8(spec.readonlyRootfs).u8(spec.init).u64(spec.shmBytes);
  writeMounts(body, spec.mounts);
  body.list(Object.entries(spec.sysctls), ([key, value]) => {
    body.string(key).string(value);
  });
  writeLimits(body, spec.limits);
  body.list(spec.networks, (nic) => {
    writeNic(body, nic);
  });
  writeProcess(body, spec.process);
  return body.done();
}
