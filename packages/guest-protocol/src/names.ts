import { Fault } from '@berth/kit';

/** include/uapi/linux/capability.h, by number. */
const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
];

/** include/uapi/asm-generic/resource.h, by number. */
const rlimits = [
  'cpu',
  'fsize',
  'data',
  'stack',
  'core',
  'rss',
  'nproc',
  'nofile',
  'memlock',
  'as',
  'locks',
  'sigpending',
  'msgqueue',
  'nice',
  'rtprio',
  'rttime',
];

/** One bit a capability; names with or without CAP_. Names the kernel doesn't know are left out. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const bare = name.toUpperCase().replace(/^CAP_/, '');
    if (bare === 'ALL') return (1n << BigInt(capabilities.length)) - 1n;
    const bit = capabilities.indexOf(bare);
    if (bit >= 0) mask |= 1n << BigInt(bit);
  }
  return mask;
}

/** `nofile` or `RLIMIT_NOFILE`. Fault `rlimit-invalid`. */
export function rlimitNumber(name: string): number {
  const number = rlimits.indexOf(name.toLowerCase().replace(/^rlimit_/, ''));
  if (number < 0) throw new Fault('invalid', 'rlimit-invalid', `invalid ulimit type: ${name}`);
  return number;
}
