import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What a suite could leave behind where only it is, as a set of lines: mounts, processes, network namespaces and /dev/shm are
 * those of the namespaces it runs in.
 * @param {{ ignorePids: ReadonlySet<number>, temporary: string }} options
 */
export function inNamespaces(options) {
  return new Set([
    ...mounts(),
    ...list('/run/netns', 'network namespace'),
    ...list('/dev/shm', 'shared memory file'),
    ...list(options.temporary, 'temporary file'),
    ...processes(options.ignorePids),
  ]);
}

/** What it could leave on the machine. */
export function ofTheMachine() {
  return new Set([...list('/run', 'run directory').filter((line) => /berth|bth|bt-/.test(line)), ...links(), ...tables(), ...cgroups()]);
}

/** What is there now and was not before. */
export function difference(before, after) {
  return [...after].filter((line) => !before.has(line));
}

function list(folder, what) {
  try {
    return readdirSync(folder).map((name) => `${what} ${join(folder, name)}`);
  } catch {
    return [];
  }
}

function mounts() {
  return (
    readFileSync('/proc/self/mounts', 'utf8')
      .trim()
      .split('\n')
      .map((line) => `mount ${line.split(' ')[1]}`)
      // The kernel mounts these on demand and takes them away itself.
      .filter((line) => !line.includes('/sys/kernel/debug') && !line.includes('binfmt_misc'))
  );
}

function processes(ignore) {
  const found = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || ignore.has(pid)) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (command !== '') found.push(`process ${pid} ${command.slice(0, 160)}`);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

function links() {
  return list('/sys/class/net', 'network link');
}

function tables() {
  try {
    return execFileSync('nft', ['list', 'tables'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `nft ${line}`);
  } catch {
    return [];
  }
}

/** Directories up to two levels below each controller: where anything of ours would be. */
function cgroups() {
  const found = [];
  const walk = (folder, depth) => {
    let entries;
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      if (!entry.isDirectory()) continue;
      found.push(`cgroup ${join(folder, entry.name)}`);
      if (depth > 1) walk(join(folder, entry.name), depth - 1);
    }
  };
  walk('/sys/fs/cgroup', 3);
  return found;
}
