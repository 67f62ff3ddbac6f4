import { spawn } from 'node:child_process';
import type { Berth } from '../berth/index.ts';
import { type Oracle, until } from '../oracle/index.ts';
import type { Compose } from './compose-client.ts';

export interface Answer {
  readonly greeting: string;
  readonly host: string;
  readonly visits: number;
}

/** A daemon, a Compose that talks to it, and the application it runs as a browser on that host sees it. */
export class Side {
  readonly daemon: Berth | Oracle;
  readonly compose: Compose;

  constructor(daemon: Berth | Oracle, compose: Compose) {
    this.daemon = daemon;
    this.compose = compose;
  }

  get docker(): Side['daemon']['docker'] {
    return this.daemon.docker;
  }

  /** Where the application's port is published: the one container's, or the index-th's. */
  async port(index = 1): Promise<number> {
    const [, port = ''] = (await this.compose.ok(['port', `--index=${index}`, 'web', '8000'])).split(':');
    return Number(port);
  }

  /** Asks until it is answered: a server that has just begun refuses connections. */
  async ask<T>(port: number, path: string, body?: string): Promise<T> {
    let answer: T | undefined;
    await until(`an answer of ${path}`, 90_000, async () => {
      answer = await this.#once<T>(port, path, body);
      return answer !== undefined;
    });
    return answer as T;
  }

  #once<T>(port: number, path: string, body?: string): Promise<T | undefined> {
    const program = `const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(30_000), ...(process.argv[2] ? { method: 'POST', body: process.argv[2] } : {}) });
      if (!answer.ok) throw new Error(String(answer.status));
      process.stdout.write(await answer.text());`;
    const args = ['--input-type=module', '-e', program, `http://127.0.0.1:${port}${path}`, ...(body === undefined ? [] : [body])];
    const [command, all] = this.daemon.netns.enter(process.execPath, args);
    return new Promise((resolve) => {
      const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 40_000 });
      let text = '';
      child.stdout.on('data', (data: Buffer) => (text += data.toString()));
      child.once('close', (code) => resolve(code === 0 ? (JSON.parse(text) as T) : undefined));
    });
  }

  /** Of the containers of a service, by number. */
  async ids(service: string): Promise<string[]> {
    return (await this.compose.ok(['ps', '-q', service])).split('\n').filter((line) => line !== '');
  }

  async inspect(id: string, format: string): Promise<string> {
    return await this.docker.ok(['inspect', '-f', format, id]);
  }
}
