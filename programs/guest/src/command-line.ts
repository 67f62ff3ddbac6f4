import { run } from '@berth/sys';
import type { Agent } from './agent.ts';

/**
 * For every guest: no console, no watchdogs, a triple fault as the way to end (microvm has no power switch; QEMU runs
 * with `-no-reboot`), and the initramfs's /init.
 */
const COMMON = 'rdinit=/init quiet loglevel=0 panic=-1 reboot=t nowatchdog rcupdate.rcu_expedited=1 random.trust_cpu=on cryptomgr.notests';

/**
 * The kernel's command line under KVM and under emulation. An emulated guest is told the rate of the time stamp counter:
 * measuring it against an emulated timer fails on a busy host, and then the boot hangs or the clock is coarse and wakes
 * the idle guest 250 times a second. Address randomisation is left out there, for it guards nothing and takes time.
 */
export async function commandLines(agent: Agent, signedModules: boolean): Promise<{ kvm: string; tcg: string }> {
  const { stdout } = await run(agent.path, ['--tsc-khz'], { timeoutMs: 10_000 });
  // Locked down, the kernel also leaves out its tracing file system: 10 MB and half a second that no container needs. It
  // then loads signed modules only.
  const common = signedModules ? `${COMMON} lockdown=confidentiality` : COMMON;
  return {
    kvm: `${common} no_timer_check`,
    tcg: `${common} no_timer_check nokaslr mitigations=off init_on_alloc=0 transparent_hugepage=madvise tsc=reliable tsc_early_khz=${Number(stdout)}`,
  };
}
