import { releaseFreedMemory } from '@berth/sys';

const EVERY_MS = 15_000;
const GROWTH_BYTES = 12 << 20;

/**
 * Gives back what something large (a template, an import, a storm of runs) needed and no longer uses: when the daemon has
 * grown and then stopped growing. A daemon that is at rest costs a look at one number. Returns how to stop it.
 */
export function keepMemoryLow(): () => void {
  let settled = 0;
  let last = 0;
  const timer = setInterval(() => {
    const now = process.memoryUsage.rss();
    const resting = now - last < 1 << 20;
    last = now;
    if (!resting || now - settled < GROWTH_BYTES) return;
    releaseFreedMemory();
    settled = process.memoryUsage.rss();
    last = settled;
  }, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
