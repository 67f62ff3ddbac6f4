import { readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** CPU seconds (user + system, children not counted) a process has used; 0 when it is gone. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return 0;
  }
}

/** Proportional set size in bytes: shared pages divided among those that map them; 0 when it is gone. */
export function pssBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

export function sum(pids: Iterable<number>, of: (pid: number) => number): number {
  let total = 0;
  for (const pid of pids) total += of(pid);
  return total;
}
