import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Where the instance's parts are. */
export function places(options) {
  return {
    socket: join(options.runDir, 'default.sock'),
    facts: join(options.runDir, 'berthd.json'),
    log: join(options.stateDir, 'berthd.log'),
  };
}

/**
 * What the daemon wrote about itself, if the process it names is alive and is a berthd; else undefined. Process ids come
 * round again, so the start time of the process must match as well.
 */
export function runningDaemon(options) {
  const facts = readJson(places(options).facts);
  if (facts === undefined || !Number.isInteger(facts.pid)) return undefined;
  return processStartTicks(facts.pid) === facts.startTicks ? facts : undefined;
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Start time of a process in clock ticks since boot (proc(5), stat field 22); undefined when there is none, or a zombie. */
export function processStartTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

/** Virtual machines of this instance, found by looking at processes, so that it works without a daemon too. */
export function virtualMachines(options) {
  const found = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!/qemu-system/.test(readlinkSync(`/proc/${name}/exe`))) continue;
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      if (command.includes(options.runDir) || command.includes(options.stateDir)) found.push(Number(name));
    } catch {
      // It ended while we were looking.
    }
  }
  return found;
}

/** Resident memory of a process that it shares with nobody or its part of what it shares (PSS), in bytes. */
export function proportionalMemory(pid) {
  try {
    const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    return match ? Number(match[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}
