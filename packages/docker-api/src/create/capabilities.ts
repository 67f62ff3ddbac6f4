import type { HostConfigRequest } from '@berth/docker-wire';
import { invalid } from '../faults.ts';

/** Kernel names without CAP_, by number. */
export const allCapabilities: readonly string[] = [
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

/** What Docker gives a container that asks for nothing. */
const defaultCapabilities: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
];

/** The set for a container, by Docker's rules: ALL in either list, else the default ± the lists. Fault `capability-unknown`. */
export function capabilitiesFor(host: Pick<HostConfigRequest, 'Privileged' | 'CapAdd' | 'CapDrop'>): readonly string[] {
  const add = (host.CapAdd ?? []).map((name) => normalise(name, 'CapAdd'));
  const drop = (host.CapDrop ?? []).map((name) => normalise(name, 'CapDrop'));
  if (host.Privileged) return allCapabilities;
  if (add.includes('ALL')) return allCapabilities.filter((name) => !drop.includes(name));
  if (drop.includes('ALL')) return [...new Set(add)];
  return [...new Set([...defaultCapabilities.filter((name) => !drop.includes(name)), ...add])];
}

function normalise(name: string, list: string): string {
  const upper = name.toUpperCase();
  const short = upper.replace(/^CAP_/, '');
  if (short !== 'ALL' && !allCapabilities.includes(short)) throw invalid('capability-unknown', `invalid ${list}: unknown capability: "CAP_${short}"`);
  return short;
}
