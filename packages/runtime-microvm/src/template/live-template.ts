import { closeSync, mkdirSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { findProcesses, sendDescriptors, socketPair } from '@berth/sys';
import { faults } from '../faults.ts';
import { listen, openLog, type VmPaths } from '../qemu/launch.ts';
import type { Child } from '../vm/child.ts';
import { VmProcess } from '../vm/process.ts';
import { makeSpool } from '../vm/spool-file.ts';

/** How long a machine may take to come to rest before it is stopped. */
const QUIET_LIMIT_MS = 5_000;
const FORK_LIMIT_MS = 10_000;
/** `struct request` of native/vm-fork.c: the name, then the folder of what the host shares with the machine. */
const NAME_BYTES = 64;
const REQUEST_BYTES = NAME_BYTES + 256;

export interface ForkRequest {
  /** QEMU's `-name`, as long as every other. */
  readonly name: string;
  readonly paths: VmPaths;
  /** The caller's to close. */
  readonly tap: number;
  /** A copy of the live template's writable layer. */
  readonly scratch: string;
}

/**
 * A clone, warmed up and stopped, from which further ones are forked as processes: with emulation only, see ADR 0014. It
 * holds nothing of a tenant's but the image's file systems. It ends with the daemon.
 */
export class LiveTemplate {
  /** What children begin with a copy of. */
  readonly scratch: string;
  readonly #vm: VmProcess;
  readonly #control: Socket;
  readonly #fd: number;
  readonly #waiting: { resolve: (pid: number) => void; reject: (error: Error) => void }[] = [];
  #broken = false;

  private constructor(vm: VmProcess, scratch: string, fd: number) {
    this.#vm = vm;
    this.scratch = scratch;
    this.#fd = fd;
    this.#control = new Socket({ fd, readable: true, writable: true });
    this.#control.on('data', (chunk: Buffer) => {
      for (let at = 0; at + 4 <= chunk.length; at += 4) this.#waiting.shift()?.resolve(chunk.readInt32LE(at));
    });
    this.#control.on('error', () => undefined);
    this.#control.on('close', () => this.#fail());
  }

  /** Makes a clone with `make`, which is given QEMU's end of the line, and stops it. The clone's layer stays the caller's. */
  static async open(make: (forkControl: number) => Promise<Child>): Promise<LiveTemplate> {
    const [ours, theirs] = socketPair();
    let child: Child;
    try {
      child = await make(theirs);
    } catch (error) {
      closeSync(ours);
      throw error;
    } finally {
      closeSync(theirs);
    }
    const live = new LiveTemplate(child.vm, child.record.scratch, ours);
    try {
      // The guest has to have seen the line close, or every child would begin by losing its host.
      await child.agent[Symbol.asyncDispose]();
      await child.vm.quiet(QUIET_LIMIT_MS);
      const monitor = await child.vm.connectMonitor();
      try {
        await monitor.execute('stop');
      } finally {
        monitor[Symbol.dispose]();
      }
      return live;
    } catch (error) {
      await live.close();
      throw error;
    }
  }

  /** Whether it can be forked. */
  get usable(): boolean {
    return !this.#broken && !this.#vm.gone;
  }

  /** A child that runs. Leaves nothing behind when it fails. Fault `vm-failed`; the live template is then of no more use. */
  async fork(request: ForkRequest): Promise<VmProcess> {
    const [ours, theirs] = socketPair();
    const opened: number[] = [theirs];
    const life = new Socket({ fd: ours, readable: true, writable: true });
    const ended = new Promise<void>((resolve) => {
      life.once('close', () => resolve());
    });
    life.on('error', () => undefined);
    life.resume();
    life.unref();
    try {
      mkdirSync(request.paths.shares, { recursive: true, mode: 0o700 });
      makeSpool(request.paths.spool);
      const keep = (fd: number) => opened[opened.push(fd) - 1] as number;
      const [agent, monitor] = listen(request.paths).map(keep) as [number, number];
      const scratch = keep(openSync(request.scratch, 'r+'));
      const spool = keep(openSync(request.paths.spool, 'r+'));
      const log = keep(openLog(request.paths));
      const message = Buffer.alloc(REQUEST_BYTES);
      message.write(request.name, 0);
      message.write(request.paths.shares, NAME_BYTES);
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      // When it cannot even be asked, nobody waits for its answer.
      promise.catch(() => undefined);
      if (!this.usable) throw new Error('it is gone');
      // QEMU takes one request at a time and answers in order.
      this.#waiting.push({ resolve, reject });
      sendDescriptors(this.#fd, message, [agent, monitor, request.tap, scratch, spool, log, theirs]);
      const timer = setTimeout(() => reject(faults.deadline('forking a virtual machine', FORK_LIMIT_MS)), FORK_LIMIT_MS);
      const pid = await promise.finally(() => clearTimeout(timer));
      if (pid <= 0) throw new Error(`error ${-pid}`);
      return VmProcess.forked(pid, request.paths, ended);
    } catch (error) {
      life.destroy();
      await this.close();
      // One that came to be although nobody heard of it.
      for (const pid of findProcesses((args) => args[1] === '-name' && args[2] === request.name)) process.kill(pid, 'SIGKILL');
      throw this.#vm.failure('a virtual machine could not be forked', error);
    } finally {
      for (const fd of opened) closeSync(fd);
    }
  }

  /** Children go on without it. */
  async close(): Promise<void> {
    this.#fail();
    await this.#vm.destroy();
    await rm(this.scratch, { force: true });
  }

  #fail(): void {
    this.#broken = true;
    this.#control.destroy();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error('its process is gone'));
  }
}
