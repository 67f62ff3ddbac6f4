import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Flavor } from '../flavor.ts';

/** One of a VM's network devices that has a tap. */
export interface NicRecord {
  readonly index: number;
  readonly tap: string;
  /** Absent: attached to nothing. */
  readonly networkId?: string;
  readonly bridge?: string;
  /** Name inside the guest. */
  readonly name?: string;
}

/** What the next daemon must know about a VM; written before the VM is made and whenever it changes. */
export interface VmRecord {
  readonly id: string;
  readonly flavor: Flavor;
  /** 0: being made; it is then found by its name. */
  readonly pid: number;
  readonly startTicks: number;
  readonly scratch: string;
  /** The container it runs; absent while it waits in the pool. */
  readonly container?: string;
  readonly nics: readonly NicRecord[];
}

export function writeRecord(directory: string, record: VmRecord): void {
  const path = join(directory, 'vm.json');
  // Renamed into place: a daemon that dies here leaves the old record, not half a one.
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** `undefined` when there is none, or it is unreadable. */
export function readRecord(directory: string): VmRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(directory, 'vm.json'), 'utf8')) as VmRecord;
    return typeof record.id === 'string' && typeof record.pid === 'number' ? record : undefined;
  } catch {
    return undefined;
  }
}
