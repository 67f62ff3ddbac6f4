import type { Mount, ShareMount } from '@berth/runtime';
import { isFault } from '@berth/kit';
import { run } from '@berth/sys';
import { faults } from '../faults.ts';
import { buildShare } from '../native.ts';
import type { Child } from './child.ts';
import type { VmProcess } from './process.ts';

/**
 * Lets a machine see directories and files of the host: each is mounted below the folder that its QEMU exports, under its
 * place in the list of mounts, in QEMU's own mount namespace. They go when QEMU goes, and live on when the daemon does not.
 * `native`: where the command for it is kept. Fault `mount-failed`.
 */
export async function share(native: string, vm: VmProcess, mounts: readonly Mount[]): Promise<void> {
  const shares = mounts.flatMap((mount, index) =>
    mount.type === 'share' ? [String(index), `${mount.readonly ? 'r' : ''}${mount.recursive ? '' : 'n'}` || '-', mount.source, mount.subpath] : [],
  );
  if (shares.length === 0) return;
  try {
    await run(await buildShare(native), [String(vm.pid), vm.paths.shares, ...shares]);
  } catch (error) {
    if (!isFault(error, 'command-failed')) throw error;
    throw faults.mountFailed((error.detail ?? '').split('\n')[1] ?? error.message, error);
  }
}

/** For a machine that only serves files: shows them to who asks for files. Gives it back. Fault `mount-failed`. */
export async function showVolumes(native: string, child: Child, mounts: readonly ShareMount[]): Promise<Child> {
  if (mounts.length === 0) return child;
  await share(native, child.vm, mounts);
  await child.agent.showVolumes(mounts);
  return child;
}
