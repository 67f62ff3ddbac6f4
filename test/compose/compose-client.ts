import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@berth/sys';
import type { DockerCli } from '../oracle/index.ts';

const cached = '/var/cache/berth-test/docker-compose-v2';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const plugin = 'usr/libexec/docker/cli-plugins/docker-compose';
/** The first suite of Debian's that has Compose as a plugin. */
const suite = 'trixie';

export interface Done {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A Compose of either generation, in a folder with a project, on one daemon. */
export class Compose {
  readonly #command: string;
  readonly #docker: DockerCli;
  readonly #folder: string;

  constructor(command: string, docker: DockerCli, folder: string) {
    this.#command = command;
    this.#docker = docker;
    this.#folder = folder;
  }

  run(args: readonly string[], { env = {}, limitMs = 300_000 }: { env?: Record<string, string>; limitMs?: number } = {}): Promise<Done> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#command, args, {
        cwd: this.#folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, DOCKER_HOST: `unix://${this.#docker.socketPath}`, DOCKER_CONFIG: this.#folder, COMPOSE_PROJECT_NAME: 'shop', ...env },
      });
      const text = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (data: Buffer) => (text[name] += data.toString()));
      const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
      child.once('error', reject);
      child.once('close', (code) => {
        clearTimeout(timer);
        resolve({ exitCode: code ?? -1, ...text });
      });
    });
  }

  /** Standard output; a command that fails throws what it said. */
  async ok(args: readonly string[], options: { env?: Record<string, string>; limitMs?: number } = {}): Promise<string> {
    const done = await this.run(args, options);
    if (done.exitCode !== 0) throw new Error(`compose ${args.join(' ')}: exit code ${done.exitCode}\n${done.stdout}\n${done.stderr}`);
    return done.stdout.trim();
  }
}

/** A copy of the project; who made it removes it. */
export async function projectFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bt-compose-'));
  // The application runs as a user of its own.
  await chmod(folder, 0o755);
  await cp(new URL('project', import.meta.url), folder, { recursive: true });
  return folder;
}

/** Debian 12's docker-compose, written in Python; `undefined` where that package is the other generation. */
export async function composeV1(): Promise<string | undefined> {
  const path = '/usr/bin/docker-compose';
  return existsSync(path) && (await readFile(path, 'latin1')).startsWith('#!') ? path : undefined;
}

/**
 * Compose as a plugin, from Debian: what is installed, or the package of a later Debian, fetched with the machine's own apt
 * (once, and kept; its one dependency is the C library). `undefined`: it can be had from neither.
 */
export async function composeV2(): Promise<string | undefined> {
  for (const path of [`/${plugin}`, cached]) if (existsSync(path)) return path;
  const folder = await mkdtemp(join(tmpdir(), 'bt-apt-'));
  try {
    const targets = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Component: main', 'Label: Debian']);
    const uri = targets.stdout.split('\n')[0] ?? '';
    if (uri === '') return undefined;
    for (const name of ['lists/partial', 'cache/archives/partial']) await mkdir(join(folder, name), { recursive: true });
    await writeFile(
      join(folder, 'later.sources'),
      `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\n${existsSync(keyring) ? `Signed-By: ${keyring}\n` : ''}`,
    );
    const apart = [
      `Dir::Etc::sourcelist=${folder}/later.sources`,
      'Dir::Etc::sourceparts=/dev/null',
      `Dir::State::lists=${folder}/lists`,
      `Dir::Cache=${folder}/cache`,
      'APT::Sandbox::User=root',
    ].flatMap((option) => ['-o', option]);
    await run('apt-get', [...apart, 'update'], { timeoutMs: 120_000 });
    await run('sh', ['-c', 'cd "$0" && apt-get "$@" download docker-compose && dpkg-deb -x docker-compose_*.deb tree', folder, ...apart], {
      timeoutMs: 120_000,
    });
    await mkdir('/var/cache/berth-test', { recursive: true });
    const partial = `${cached}.${randomUUID()}`;
    await cp(join(folder, 'tree', plugin), partial);
    await rename(partial, cached);
    return cached;
  } catch {
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
