import { Fault, kernelCapabilities } from '@berth/kit';

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
    if (bare === 'ALL') return (1n << BigInt(kernelCapabilities.length)) - 1n;
    const bit = kernelCapabilities.indexOf(bare);
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
