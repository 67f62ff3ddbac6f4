import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '@berth/sys';

export interface SurveyPlace {
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly prefix: string;
  readonly netnsName: string;
  /** Words in a command line, environment, root or working directory that make a process ours. */
  readonly marks: readonly string[];
}

export interface FoundProcess {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly command: string;
}

/**
 * Every process of one instance, however confined: one that names it (command line, environment, cgroup, working or root
 * directory), and all below such a one.
 */
export function instanceProcesses(place: SurveyPlace): FoundProcess[] {
  const all: (FoundProcess & { named: boolean })[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const close = stat.lastIndexOf(')');
      const [state, parent] = stat.slice(close + 2).split(' ');
      if (state === 'Z') continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      const words = [
        command,
        ...['environ', 'cgroup'].map((file) => text(`/proc/${pid}/${file}`)),
        ...['cwd', 'root'].map((file) => link(`/proc/${pid}/${file}`)),
      ].join('\n');
      const named = place.marks.some((mark) => words.includes(mark));
      all.push({ pid, parent: Number(parent), name: stat.slice(stat.indexOf('(') + 1, close), command, named });
    } catch {
      // It ended while we were looking.
    }
  }
  const found = new Set(all.filter((p) => p.named).map((p) => p.pid));
  for (let grown = true; grown; ) {
    grown = false;
    for (const p of all) {
      if (!found.has(p.parent) || found.has(p.pid)) continue;
      found.add(p.pid);
      grown = true;
    }
  }
  found.delete(process.pid);
  return all.filter((p) => found.has(p.pid)).map(({ named: _, ...p }) => p);
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

export interface Survey {
  readonly processes: readonly FoundProcess[];
  /** Network links in the instance's namespace, but for loopback. */
  readonly links: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  /** nft rules in the instance's namespace, one line each. */
  readonly rules: readonly string[];
  /** Files and directories below the run and state directories, relative, without sizes. */
  readonly files: readonly string[];
  readonly shm: readonly string[];
  readonly namespaces: readonly string[];
}

/** All that one instance has on the machine. */
export async function survey(place: SurveyPlace): Promise<Survey> {
  const inside = (command: string, args: string[]) => run('nsenter', [`--net=/run/netns/${place.netnsName}`, command, ...args], { accept: [0, 1] });
  const links = JSON.parse((await inside('ip', ['-j', 'link'])).stdout || '[]') as { ifname: string }[];
  const rules = (await inside('nft', ['list', 'ruleset'])).stdout;
  const ours = (line: string) => place.marks.some((mark) => line.includes(mark));
  return {
    processes: instanceProcesses(place),
    links: links
      .map((l) => l.ifname)
      .filter((name) => name !== 'lo')
      .sort(),
    mounts: text('/proc/self/mounts')
      .split('\n')
      .filter(ours)
      .map((line) => line.split(' ')[1] ?? '')
      .sort(),
    cgroups: cgroups(place.prefix),
    rules: rules
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && line !== '}'),
    files: [...tree(place.runDirectory), ...tree(place.stateDirectory)].sort(),
    shm: readdirSync('/dev/shm')
      .filter((name) => name.startsWith(place.prefix))
      .sort(),
    namespaces: safeList('/run/netns')
      .filter((name) => name.startsWith(place.prefix))
      .sort(),
  };
}

/** Groups whose path names the prefix, three levels deep. */
function cgroups(prefix: string): string[] {
  const found: string[] = [];
  const walk = (folder: string, depth: number) => {
    for (const name of safeList(folder)) {
      const path = join(folder, name);
      if (name.includes('.') && !name.includes(prefix)) continue;
      if (name.includes(prefix) || folder.includes(prefix)) found.push(path);
      if (depth > 1) walk(path, depth - 1);
    }
  };
  walk('/sys/fs/cgroup', 4);
  return found.filter((path) => safeList(path).includes('cgroup.procs')).sort();
}

function safeList(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function tree(folder: string): string[] {
  const found: string[] = [];
  const walk = (path: string) => {
    try {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        found.push(join(path, entry.name));
        if (entry.isDirectory()) walk(join(path, entry.name));
      }
    } catch {
      // Removed while we were looking.
    }
  };
  walk(folder);
  return found;
}
