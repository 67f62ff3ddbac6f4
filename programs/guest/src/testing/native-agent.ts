import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GuestConnection } from '@berth/guest-protocol';
import type { SocketDoor } from '@berth/runtime';
import { run } from '@berth/sys';
import { buildAgent } from '../agent.ts';

/** With every check gcc has, so that a test that passes has also touched no wrong byte. */
const CHECKED = [
  '-O1',
  '-g',
  '-std=gnu17',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-format-truncation',
  '-D_GNU_SOURCE',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
];

export const CACHE = process.env.BERTH_GUEST_CACHE ?? join(tmpdir(), 'berth-guest-cache');

/** The agent as a process of this host, compiled with sanitizers. */
export class NativeAgent implements AsyncDisposable {
  readonly socket: string;
  readonly directory: string;
  readonly #stop: AbortController;
  readonly #ended: Promise<string>;

  private constructor(directory: string, socket: string, stop: AbortController, ended: Promise<string>) {
    this.directory = directory;
    this.socket = socket;
    this.#stop = stop;
    this.#ended = ended;
  }

  static async open(options: readonly string[] = []): Promise<NativeAgent> {
    const agent = await buildAgent(CACHE, { flags: CHECKED });
    const directory = await mkdtemp(join(tmpdir(), 'berth-agent-'));
    const socket = join(directory, 's');
    const stop = new AbortController();
    const ended = run(agent.path, ['--host', '--socket', socket, ...options], {
      signal: stop.signal,
      timeoutMs: 300_000,
      accept: [0],
      env: { ASAN_OPTIONS: `detect_leaks=0:log_path=${directory}/report` },
    }).then(
      (result) => result.stderr,
      (error: unknown) => (stop.signal.aborted ? '' : String(error)),
    );
    return new NativeAgent(directory, socket, stop, ended);
  }

  /** A raw connection; waits until the agent listens. */
  async dial(): Promise<Socket> {
    for (const until = Date.now() + 20_000; ; ) {
      try {
        return await new Promise<Socket>((resolve, reject) => {
          const socket = connect(this.socket);
          socket.once('connect', () => resolve(socket));
          socket.once('error', reject);
        });
      } catch (error) {
        if (Date.now() > until) throw error;
        await delay(5);
      }
    }
  }

  /** A connection that has said hello. */
  async connect(options: { resume?: boolean; door?: SocketDoor } = {}): Promise<GuestConnection> {
    const connection = new GuestConnection(await this.dial());
    if (options.door !== undefined) connection.serveSockets(options.door);
    await connection.hello({ resume: options.resume ?? false, signal: AbortSignal.timeout(10_000) });
    return connection;
  }

  /** Connected and prepared: only `start` is missing. */
  async prepared(): Promise<GuestConnection> {
    const connection = await this.connect();
    await connection.mountLayers([]);
    await connection.prepare({ scratch: { index: 0 }, format: false });
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const told = await this.#ended;
    const report = await run('sh', ['-c', `cat ${this.directory}/report* 2>/dev/null || true`]);
    await rm(this.directory, { recursive: true, force: true });
    if (told !== '' || report.stdout !== '') throw new Error(`the agent complained: ${told}\n${report.stdout}`);
  }
}
