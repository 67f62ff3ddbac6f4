import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks between boot and the start of a process: with its pid, its identity. `undefined`: there is none (a zombie counts as none). */
export function processStartTicks(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The command's name may hold anything, also parentheses: fields count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if ((fields[0] === 'Z' || fields[0] === 'X') && threads(pid) <= 1) return undefined;
  return Number(fields[19]);
}

/** A first thread that has ended is a zombie as long as others still hold the process's files. */
function threads(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}

/** The process's arguments; empty when it is gone or is the kernel's. */
function processArguments(pid: number): string[] {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return line === '' ? [] : line.replace(/\0$/, '').split('\0');
  } catch {
    return [];
  }
}

/** Pids of this pid namespace whose arguments satisfy a test. */
export function findProcesses(matches: (args: readonly string[]) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => matches(processArguments(pid)));
}

/** Proportional set size: the memory that would come back if the process ended, shares of what others use too counted in part. */
export function processPssBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Processor time used so far, user and system together, in seconds (the kernel counts hundredths). */
export function processCpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}
