import type { GuestConnection } from '@berth/guest-protocol';
import type { VmProcess } from './process.ts';

/**
 * Asks the guest to write its file system back and to end, for at most so long. Never throws: a guest that does not
 * answer is about to be killed anyway, and the journal keeps its layer mountable.
 */
export async function shutDown(vm: VmProcess, connected: GuestConnection | undefined, limitMs: number): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  const late = new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve(), { once: true }));
  let agent = connected;
  const asked = (async () => {
    if (agent === undefined) {
      agent = vm.connectAgent();
      await agent.hello({ resume: true, signal: limit });
    }
    await agent.shutdown();
  })().catch(() => undefined);
  await Promise.race([asked.then(() => vm.ended), vm.ended, late]);
  await agent?.[Symbol.asyncDispose]();
}
