import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@berth/sys';
import { type NetNamespace, until } from '../oracle/index.ts';

/** Ann's password is `secret`; bcrypt of it, as htpasswd -B writes it. */
const htpasswd = 'ann:$2b$12$I.YhURB0G7CgatxJOZQs4O2PY/fHJ975tdHtVcCj1.tU0Xc1rX4/y\n';

export interface RegistryOptions {
  readonly netns: NetNamespace;
  /** Made, and left to the caller to remove. */
  readonly directory: string;
  /** `127.0.0.1:5000` */
  readonly address: string;
  readonly basic?: boolean;
  readonly token?: { readonly realm: string; readonly certificate: string };
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Debian's docker-registry in a network namespace. */
export class DockerRegistry implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async open(options: RegistryOptions): Promise<DockerRegistry> {
    const path = (name: string) => join(options.directory, name);
    await mkdir(path('data'), { recursive: true });
    await writeFile(path('htpasswd'), htpasswd);
    const { token, tls } = options;
    const configuration = {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: path('data') }, delete: { enabled: true } },
      http: { addr: options.address, ...(tls === undefined ? {} : { tls: { certificate: tls.cert, key: tls.key } }) },
      ...(options.basic === true ? { auth: { htpasswd: { realm: 'berth', path: path('htpasswd') } } } : {}),
      ...(token === undefined ? {} : { auth: { token: { realm: token.realm, service: 'berth', issuer: 'berth', rootcertbundle: token.certificate } } }),
    };
    // JSON is YAML.
    await writeFile(path('config.yml'), JSON.stringify(configuration));
    const log = openSync(path('log'), 'a');
    const [command, args] = options.netns.enter('docker-registry', ['serve', path('config.yml')]);
    const child = spawn(command, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    const registry = new DockerRegistry(child);
    const port = Number(/:(\d+)$/.exec(options.address)?.[1]);
    try {
      await until('the registry answers', 20_000, async () => {
        if (child.exitCode !== null) throw new Error(`docker-registry ended: ${readFileSync(path('log'), 'utf8').slice(-2000)}`);
        const [ss, words] = options.netns.enter('ss', ['-Hltn', `sport = :${port}`]);
        return (await run(ss, words)).stdout.includes(`:${port}`);
      });
      return registry;
    } catch (error) {
      await registry[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
