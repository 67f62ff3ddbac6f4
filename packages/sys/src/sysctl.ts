import { readFile, writeFile } from 'node:fs/promises';
import { Fault } from '@berth/kit';

/** Path parts rather than a dotted name, since link names may contain dots: `['net', 'ipv4', 'ip_forward']`. */
export type SysctlPath = readonly string[];

function file(path: SysctlPath): string {
  return `/proc/sys/${path.join('/')}`;
}

/** Fault `sysctl-failed` when the kernel doesn't know it. */
export async function readSysctl(path: SysctlPath): Promise<string> {
  try {
    return (await readFile(file(path), 'utf8')).trim();
  } catch (error) {
    throw new Fault('internal', 'sysctl-failed', `cannot read kernel setting ${path.join('.')}`, { cause: error });
  }
}

/** Of the calling process's network namespace, where the setting belongs to one. Fault `sysctl-failed`. */
export async function writeSysctl(path: SysctlPath, value: string): Promise<void> {
  try {
    await writeFile(file(path), value);
  } catch (error) {
    throw new Fault('internal', 'sysctl-failed', `cannot set kernel setting ${path.join('.')} to ${value}`, { cause: error });
  }
}
