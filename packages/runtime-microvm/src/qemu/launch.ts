import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DetachedProcess, listenUnix, processStartTicks, spawnDetached } from '@berth/sys';
import { makeSpool } from '../vm/spool-file.ts';
import { commandLine, type Machine } from './command-line.ts';
import { joinedDisk } from './joined-disk.ts';

export const QEMU = 'qemu-system-x86_64';

/** Paths that belong to one virtual machine while it runs. */
export interface VmPaths {
  readonly directory: string;
  readonly agent: string;
  readonly monitor: string;
  readonly log: string;
  readonly shares: string;
  readonly spool: string;
}

export function vmPaths(directory: string): VmPaths {
  return {
    directory,
    agent: join(directory, 'agent'),
    monitor: join(directory, 'monitor'),
    log: join(directory, 'log'),
    shares: join(directory, 'shares'),
    spool: join(directory, 'spool'),
  };
}

export interface Launch extends Omit<Machine, 'agentFd' | 'monitorFd' | 'tapFd' | 'incomingFd' | 'forkable' | 'shares' | 'spool' | 'layers'> {
  readonly paths: VmPaths;
  /** What each block device for layers holds. */
  readonly layers: readonly (readonly string[])[];
  readonly tap: number | undefined;
  /** The saved device state, for a clone. */
  readonly state: string | undefined;
  /** The library for clones (`native/`). */
  readonly preload: string | undefined;
  /** QEMU's end of the socket by which it is told to fork. */
  readonly forkControl: number | undefined;
}

export interface Launched extends DetachedProcess {
  /** With the pid, the process's identity across restarts of the daemon. */
  readonly startTicks: number;
}

/** Listening sockets, the agent's and the monitor's, before there is a QEMU to serve them: who connects just waits. */
export function listen(paths: VmPaths): [agent: number, monitor: number] {
  for (const path of [paths.agent, paths.monitor]) rmSync(path, { force: true });
  const agent = listenUnix(paths.agent);
  try {
    return [agent, listenUnix(paths.monitor)];
  } catch (error) {
    closeSync(agent);
    throw error;
  }
}

export const openLog = (paths: VmPaths): number => openSync(paths.log, 'w', 0o600);

/**
 * Starts QEMU. Both its sockets are listening when this returns, before QEMU itself has run: who connects just waits.
 * The tap's descriptor is the caller's to close.
 */
export async function launch(options: Launch): Promise<Launched> {
  mkdirSync(options.paths.shares, { recursive: true, mode: 0o700 });
  makeSpool(options.paths.spool);
  const opened: number[] = [];
  const open = (fd: number) => {
    opened.push(fd);
    return fd;
  };
  try {
    const inherit = listen(options.paths).map(open);
    const place = (fd: number | undefined) => (fd === undefined ? undefined : 2 + inherit.push(fd));
    const tapFd = place(options.tap);
    const incomingFd = place(options.state === undefined ? undefined : open(openSync(options.state, 'r')));
    const forkFd = place(options.forkControl);
    const layers = options.layers.map((files) => layerDisk(files, options.paths));
    const { shares, spool } = options.paths;
    const args = commandLine({ ...options, layers, shares, spool, agentFd: 3, monitorFd: 4, tapFd, incomingFd, forkable: forkFd !== undefined });
    const env = {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      // Few threads share little: one arena instead of one for each of them.
      MALLOC_ARENA_MAX: '1',
      ...(options.preload === undefined ? {} : { LD_PRELOAD: options.preload, BERTH_RAM: options.ram.path }),
      ...(forkFd === undefined ? {} : { BERTH_FORK: `${forkFd}`, BERTH_SCRATCH: options.scratch ?? '', BERTH_SPOOL: spool, BERTH_SHARES: shares }),
    };
    const started = await spawnDetached(QEMU, args, { inherit, log: open(openLog(options.paths)), env });
    return { ...started, startTicks: processStartTicks(started.pid) ?? 0 };
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function layerDisk(files: readonly string[], { directory }: VmPaths): Machine['layers'][number] {
  const [only] = files;
  if (files.length === 1 && only !== undefined) return { path: only, joined: false };
  const path = join(directory, 'layers.vmdk');
  writeFileSync(path, joinedDisk(files), { mode: 0o600 });
  return { path, joined: true };
}
