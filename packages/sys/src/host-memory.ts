import { readFileSync } from 'node:fs';

/** The host's memory, bytes; `available` is what the kernel thinks can be used without swapping. */
export function hostMemory(): { totalBytes: number; availableBytes: number } {
  const text = readFileSync('/proc/meminfo', 'latin1');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: field('MemTotal'), availableBytes: field('MemAvailable') };
}
