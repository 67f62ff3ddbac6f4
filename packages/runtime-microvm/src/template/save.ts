import { open, rm } from 'node:fs/promises';
import { faults } from '../faults.ts';
import type { VmProcess } from '../vm/process.ts';
import type { Template } from './manifest.ts';

/** How long a guest may take to come to rest before it is saved. */
const QUIET_LIMIT_MS = 5_000;

/**
 * Port writes that put channel 0 of the interval timer (Intel 8254) into its one-shot mode. The guest keeps time by its
 * local timer and never touches this one, which goes on counting at the firmware's 18 Hz and costs each idle clone two
 * wake-ups a period: half of all it uses.
 */
const TIMER_OFF = ['o /b 0x43 0x30', 'o /b 0x40 0', 'o /b 0x40 0'];

/**
 * Stops a VM whose memory is a shared file and writes its device state beside it; then it is ended. The agent's
 * connection must be closed before: the guest has to have seen that, or every clone would begin by losing its host.
 */
export async function saveTemplate(vm: VmProcess, template: Template): Promise<void> {
  await vm.quiet(QUIET_LIMIT_MS);
  const monitor = await vm.connectMonitor();
  try {
    await monitor.execute('stop');
    for (const write of TIMER_OFF) await monitor.execute('human-monitor-command', { 'command-line': write });
    // `live`: QEMU keeps what it would give up to a migration's target; it is about to be killed anyway.
    await monitor.execute('xen-save-devices-state', { filename: template.state, live: true }, 30_000);
  } catch (error) {
    throw faults.templateFailed(template.name, vm.lastWords(), error);
  } finally {
    monitor[Symbol.dispose]();
    vm.kill();
  }
  await vm.ended;
  for (const path of [template.ram, template.state]) {
    await using file = await open(path, 'r+');
    await file.sync();
  }
  await rm(vm.paths.directory, { recursive: true, force: true });
}
