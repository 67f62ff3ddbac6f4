import { rm } from 'node:fs/promises';
import { findProcesses, processStartTicks } from '@berth/sys';
import type { VmPaths } from '../qemu/launch.ts';
import { VmProcess } from './process.ts';
import { readRecord } from './record.ts';
import { shutDown } from './shutdown.ts';

/** Ends a VM of an earlier daemon, whatever is left of it. Its guest gets so long to write back; 0: it is just killed. */
export async function endLeftover(paths: VmPaths, name: string, writeBackMs: number): Promise<void> {
  const record = readRecord(paths.directory);
  const vm = record === undefined ? undefined : VmProcess.find(record.pid, record.startTicks, paths);
  if (vm !== undefined) {
    if (writeBackMs > 0) await shutDown(vm, undefined, writeBackMs);
    await vm.destroy();
  }
  // Started, but its pid was never written down.
  for (const pid of findProcesses((args) => args[1] === '-name' && args[2] === name)) {
    await VmProcess.find(pid, processStartTicks(pid) ?? -1, paths)?.destroy();
  }
  await rm(paths.directory, { recursive: true, force: true });
}

/** Ends every QEMU whose name is this and the id of a VM that is foreign: of those that have no directory any more, too. */
export function endStrays(mark: string, foreign: (vmId: string) => boolean): void {
  const strays = findProcesses((args) => args[1] === '-name' && (args[2] ?? '').startsWith(mark) && foreign((args[2] ?? '').slice(mark.length)));
  for (const pid of strays) process.kill(pid, 'SIGKILL');
}
