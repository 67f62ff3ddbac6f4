import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@berth/sys';
import { type CliOptions, type CliResult, NetNamespace, writeBusyboxImage } from '../test/oracle/index.ts';
import type { Cli, Side } from './side.ts';

const everyExitCode = Array.from({ length: 256 }, (_, code) => code);
const cgroupRoot = '/sys/fs/cgroup';
const cgroupName = 'libpod_parent';

/** podman in a network namespace and a storage of its own. It has no daemon: each command does all the work itself. */
class PodmanCli implements Cli {
  readonly socketPath = '';
  readonly #directory: string;
  readonly #netns: NetNamespace;
  readonly #runtime: string;

  constructor(directory: string, netns: NetNamespace, runtime: string) {
    this.#directory = directory;
    this.#netns = netns;
    this.#runtime = runtime;
  }

  async run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const at = (name: string) => join(this.#directory, name);
    const own = [
      '--root',
      at('root'),
      '--runroot',
      at('run'),
      '--tmpdir',
      at('tmp'),
      '--cgroup-manager',
      'cgroupfs',
      '--events-backend',
      'none',
      '--runtime',
      this.#runtime,
    ];
    // podman asks for more open files than a confined machine allows it to give.
    const limited = args[0] === 'run' ? ['run', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024', ...args.slice(1)] : args;
    const [command, all] = this.#netns.enter('podman', [...own, ...limited]);
    const begin = performance.now();
    const result = await run(command, all, { ...options, accept: everyExitCode });
    return { ...result, wallMs: performance.now() - begin };
  }

  async ok(args: readonly string[], options: CliOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    if (result.exitCode !== 0) throw new Error(`podman ${args.join(' ')} ended with ${result.exitCode}: ${result.stderr.trim()}`);
    return result.stdout.trim();
  }
}

/** podman with crun, or with runc where crun cannot run (hybrid control groups); `undefined` with the reason said. */
export async function openPodman(say: (line: string) => void): Promise<Side | undefined> {
  if (
    await run('podman', ['--version']).then(
      () => false,
      () => true,
    )
  ) {
    say('podman is not installed: not compared');
    return undefined;
  }
  const hadGroups = readdirSync(cgroupRoot).filter((controller) => existsSync(join(cgroupRoot, controller, cgroupName)));
  const directory = await mkdtemp(join(tmpdir(), 'bt-podman-'));
  const netns = await NetNamespace.open('podman');
  const dispose = async () => {
    await new PodmanCli(directory, netns, 'runc').run(['rm', '-fa', '-t', '0'], { timeoutMs: 30_000 }).catch(() => undefined);
    await netns[Symbol.asyncDispose]();
    for (const controller of await readdir(cgroupRoot)) {
      if (!hadGroups.includes(controller)) await removeGroup(join(cgroupRoot, controller, cgroupName));
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const archive = join(directory, 'busybox.tar');
    await writeBusyboxImage(archive);
    let why = '';
    for (const runtime of ['crun', 'runc']) {
      const cli = new PodmanCli(directory, netns, runtime);
      await cli.ok(['load', '-q', '-i', archive]);
      const tried = await cli.run(['run', '--rm', 'busybox', 'true'], { timeoutMs: 30_000 });
      if (tried.exitCode === 0) {
        say(`podman runs with ${runtime}`);
        return { name: 'podman', docker: cli, daemonPids: () => [], containerPids: () => [], [Symbol.asyncDispose]: dispose };
      }
      why = tried.stderr.trim();
    }
    say(`podman cannot run here: ${why}`);
  } catch (error) {
    say(`podman cannot run here: ${(error as Error).message}`);
  }
  await dispose();
  return undefined;
}

async function removeGroup(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) if (entry.isDirectory()) await removeGroup(join(path, entry.name));
  await rmdir(path).catch(() => undefined);
}
