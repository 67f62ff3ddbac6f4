import type { HostConfigRequest } from '@berth/docker-wire';
import { kernelCapabilities } from '@berth/kit';
import { invalid } from '../faults.ts';

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
  if (host.Privileged) return kernelCapabilities;
  if (add.includes('ALL')) return kernelCapabilities.filter((name) => !drop.includes(name));
  if (drop.includes('ALL')) return [...new Set(add)];
  return [...new Set([...defaultCapabilities.filter((name) => !drop.includes(name)), ...add])];
}

function normalise(name: string, list: string): string {
  const upper = name.toUpperCase();
  const short = upper.replace(/^CAP_/, '');
  if (short !== 'ALL' && !kernelCapabilities.includes(short)) throw invalid('capability-unknown', `invalid ${list}: unknown capability: "CAP_${short}"`);
  return short;
}
