import { Socket } from 'node:net';
import { connectUnix, sendDescriptors } from '@berth/sys';
import { faults } from '../faults.ts';
import { type QmpLine, QmpLines } from './qmp-lines.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** A connection to one QEMU's monitor. Commands are answered in order; each has a time limit. Fault `monitor-failed`. */
export class Qmp implements Disposable {
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #lines = new QmpLines();
  readonly #waiting: Waiting[] = [];
  readonly #events = new Map<string, Set<() => void>>();
  readonly #gone: ((error: Error) => void)[] = [];
  #failure: Error | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        for (const line of this.#lines.push(chunk)) this.#take(line);
      } catch (error) {
        this.#fail(faults.monitorFailed('the monitor of a virtual machine talks nonsense', String(error)));
      }
    });
    this.#socket.on('error', (error) => this.#fail(faults.monitorFailed('the monitor of a virtual machine is gone', String(error))));
    this.#socket.on('close', () => this.#fail(faults.monitorFailed('the monitor of a virtual machine is gone')));
  }

  /** Connects and leaves the negotiation mode. */
  static async connect(path: string, timeoutMs = 10_000): Promise<Qmp> {
    const qmp = new Qmp(connectUnix(path));
    try {
      // The greeting comes first and answers nothing; commands sent before it are kept by QEMU.
      await qmp.execute('qmp_capabilities', {}, timeoutMs);
      return qmp;
    } catch (error) {
      qmp[Symbol.dispose]();
      throw error;
    }
  }

  execute(command: string, args: Readonly<Record<string, unknown>> = {}, timeoutMs = 10_000): Promise<unknown> {
    return this.#send(timeoutMs, command, () => this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`));
  }

  /** Gives QEMU a descriptor under a name, for commands that take one. */
  async giveDescriptor(name: string, descriptor: number): Promise<void> {
    const data = Buffer.from(`${JSON.stringify({ execute: 'getfd', arguments: { fdname: name } })}\n`);
    await this.#send(10_000, 'getfd', () => sendDescriptors(this.#fd, data, [descriptor]));
  }

  /**
   * Waits until a clone has taken in its state and runs. Nobody may talk to its agent before: an interrupt for a device
   * that is restored ahead of the interrupt controller is lost.
   */
  async running(timeoutMs: number): Promise<void> {
    const resumed = this.event('RESUME', timeoutMs);
    resumed.catch(() => undefined);
    const status = (await this.execute('query-status', {}, timeoutMs)) as { running?: boolean };
    if (status.running !== true) await resumed;
  }

  /** Resolves at the next event of that name. */
  event(name: string, timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(faults.deadline(`waiting for ${name}`, timeoutMs)), timeoutMs);
    this.#gone.push(reject);
    const set = this.#events.get(name) ?? new Set();
    this.#events.set(name, set.add(resolve));
    return promise.finally(() => {
      clearTimeout(timer);
      set.delete(resolve);
    });
  }

  #send(timeoutMs: number, command: string, write: () => void): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => this.#fail(faults.deadline(`the monitor's ${command}`, timeoutMs)), timeoutMs);
    this.#waiting.push({ resolve, reject, timer });
    write();
    return promise;
  }

  #take(line: QmpLine): void {
    if (typeof line['event'] === 'string') {
      for (const tell of this.#events.get(line['event']) ?? []) tell();
      return;
    }
    if ('QMP' in line) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    if ('return' in line) waiting.resolve(line['return']);
    else {
      const error = line['error'] as { desc?: string } | undefined;
      waiting.reject(faults.monitorFailed(`QEMU refused: ${error?.desc ?? 'no reason given'}`, JSON.stringify(line)));
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.splice(0)) {
      clearTimeout(waiting.timer);
      waiting.reject(this.#failure);
    }
    for (const reject of this.#gone.splice(0)) reject(this.#failure);
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.#fail(faults.monitorFailed('the connection to the monitor was closed'));
  }
}
