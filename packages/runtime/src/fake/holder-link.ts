import { spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Fault, type FaultKind } from '@berth/kit';
import { receive, send, type FromHolder, type Reply, type Request } from './wire.ts';

const START_LIMIT_MS = 20_000;

/** The connection to the holder: questions with answers, and what the holder says by itself. */
export class HolderLink {
  readonly #socket: Socket;
  readonly #questions = new Map<number, { resolve: (reply: Reply) => void; reject: (error: unknown) => void }>();
  readonly closed: Promise<void>;
  #number = 0;

  private constructor(socket: Socket, take: (message: Extract<FromHolder, { output: string } | { ended: string }>) => void) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const question of this.#questions.values()) question.reject(new Fault('unavailable', 'vm-failed', 'the holder of the containers is gone'));
      this.#questions.clear();
      resolve();
    });
    receive<FromHolder>(socket, (message) => {
      if (!('answer' in message)) return take(message);
      const question = this.#questions.get(message.answer);
      this.#questions.delete(message.answer);
      if ('fault' in message) question?.reject(new Fault(message.fault.kind as FaultKind, message.fault.code, message.fault.message));
      else question?.resolve(message.reply);
    });
  }

  /** Connects to the holder of a directory, starting one when none answers. */
  static async open(
    directory: string,
    take: (message: Extract<FromHolder, { output: string } | { ended: string }>) => void,
    signal?: AbortSignal,
  ): Promise<HolderLink> {
    const path = join(directory, 'holder.sock');
    const first = await attempt(path);
    if (first !== undefined) return new HolderLink(first, take);
    rmSync(path, { force: true });
    const log = openSync(join(directory, 'holder.log'), 'a');
    const child = spawn(process.execPath, [fileURLToPath(new URL('./holder.ts', import.meta.url)), directory], { detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    child.unref();
    for (const limit = Date.now() + START_LIMIT_MS; Date.now() < limit; ) {
      signal?.throwIfAborted();
      const socket = await attempt(path);
      if (socket !== undefined) return new HolderLink(socket, take);
      await delay(5);
    }
    throw new Fault('unavailable', 'vm-failed', 'the holder of the containers did not start', { detail: `see ${directory}/holder.log` });
  }

  ask(request: Request): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    if (this.#socket.destroyed) reject(new Fault('unavailable', 'vm-failed', 'the holder of the containers is gone'));
    else {
      this.#number += 1;
      this.#questions.set(this.#number, { resolve, reject });
      send(this.#socket, { ...request, number: this.#number });
    }
    return promise;
  }

  tell(request: Request): void {
    send(this.#socket, { ...request, number: 0 });
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function attempt(path: string): Promise<Socket | undefined> {
  const socket = connect(path);
  return await new Promise((resolve) => {
    socket.once('connect', () => resolve(socket.removeAllListeners('error')));
    socket.once('error', () => resolve(undefined));
  });
}
