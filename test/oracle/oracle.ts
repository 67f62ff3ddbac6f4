import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { writeBusyboxImage } from './busybox-image.ts';
import { DockerCli } from './docker-cli.ts';
import { NetNamespace } from './net-namespace.ts';
import { until } from './until.ts';

const cgroupRoot = '/sys/fs/cgroup';

/**
 * A real dockerd with everything of its own: data root, exec root, containerd, network, mount and process namespace, and
 * cgroup parent. Because it lives in a process namespace, killing that namespace's first process ends containerd, every
 * shim and every container too, so stopping is certain even when the daemon hangs.
 */
export class Oracle implements AsyncDisposable {
  readonly docker: DockerCli;
  readonly netns: NetNamespace;
  readonly directory: string;
  readonly #child: ChildProcess;
  #stopped: Promise<void> | undefined;

  private constructor(directory: string, netns: NetNamespace, child: ChildProcess) {
    this.directory = directory;
    this.netns = netns;
    this.#child = child;
    this.docker = new DockerCli({ socketPath: join(directory, 'docker.sock'), configDirectory: join(directory, 'cli') });
  }

  get socketPath(): string {
    return this.docker.socketPath;
  }

  /** What the daemon printed so far. */
  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Host pids of the daemon's process namespace init and all below it: dockerd, containerd, shims, containers. */
  pids(): number[] {
    return descendants(this.#child.pid ?? 0);
  }

  /** Resolves when the daemon answers and, unless told otherwise, `busybox:latest` is loaded. Needs root and docker.io. */
  static async open(options: { busybox?: boolean; dockerdArgs?: readonly string[]; timeoutMs?: number } = {}): Promise<Oracle> {
    const directory = await mkdtemp(join(tmpdir(), 'bt-oracle-'));
    const netns = await NetNamespace.open('oracle');
    const log = openSync(join(directory, 'log'), 'a');
    const path = (name: string) => join(directory, name);
    const dockerd = [
      'dockerd',
      '--data-root',
      path('data'),
      '--exec-root',
      path('exec'),
      '--pidfile',
      path('pid'),
      '-H',
      `unix://${path('docker.sock')}`,
      '--cgroup-parent',
      `/${basename(directory)}`,
      ...(options.dockerdArgs ?? []),
    ];
    const own = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
    const [command, args] = netns.enter('unshare', [...own, 'sh', '-c', `${dockerd.map(quote).join(' ')} & wait`]);
    const child = spawn(command, args, {
      stdio: ['ignore', log, log],
      // A containerd that is too slow under load is asked for its stacks, which it writes there.
      env: { ...process.env, TMPDIR: directory },
    });
    closeSync(log);
    const oracle = new Oracle(directory, netns, child);
    try {
      await until('dockerd answers', options.timeoutMs ?? 30_000, async () => {
        if (child.exitCode !== null) throw new Error(`dockerd ended: ${oracle.log().slice(-2000)}`);
        return existsSync(oracle.socketPath) && (await oracle.docker.run(['version'], { timeoutMs: 5_000 })).exitCode === 0;
      });
      if (options.busybox !== false) {
        await writeBusyboxImage(path('busybox.tar'));
        await oracle.docker.ok(['load', '-q', '-i', path('busybox.tar')]);
      }
      return oracle;
    } catch (error) {
      await oracle[Symbol.asyncDispose]();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const ended = () => this.#child.exitCode !== null || this.#child.signalCode !== null;
    // Nothing it holds is worth a graceful end, and under load it may never come to one. The kernel reaps the whole
    // namespace before its first process, whose end `unshare` waits for.
    const inits = children(this.#child.pid ?? 0);
    for (const init of inits) signal(init, 'SIGKILL');
    if (inits.length === 0 && !ended()) this.#child.kill('SIGKILL');
    await until('dockerd is gone', 20_000, ended);
    await this.netns[Symbol.asyncDispose]();
    await until('its cgroups are empty', 10_000, () => removeCgroups(basename(this.directory)));
    await rm(this.directory, { recursive: true, force: true });
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Already gone.
  }
}

function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** All processes below one, itself included; threads other than the first may have children too. */
function descendants(pid: number): number[] {
  return [pid, ...children(pid).flatMap(descendants)];
}

/** True once no controller has the group any more. */
async function removeCgroups(name: string): Promise<boolean> {
  let left = false;
  for (const controller of await readdir(cgroupRoot)) {
    const group = join(cgroupRoot, controller, name);
    if (existsSync(group)) left = !(await removeTree(group)) || left;
  }
  return !left;
}

async function removeTree(group: string): Promise<boolean> {
  for (const entry of await readdir(group, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(group, entry.name));
  }
  const processes = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(() => '');
  if (processes.trim() !== '') return false;
  return rmdir(group).then(
    () => true,
    () => false,
  );
}
