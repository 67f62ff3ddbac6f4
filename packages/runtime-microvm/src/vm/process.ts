import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { GuestConnection } from '@berth/guest-protocol';
import { connectUnix, processCpuSeconds, processStartTicks } from '@berth/sys';
import { faults } from '../faults.ts';
import { type Launch, launch, type VmPaths } from '../qemu/launch.ts';
import { Qmp } from '../qemu/qmp.ts';
import { SpoolFile } from './spool-file.ts';

/** How often a process that is not our child is looked at. */
const WATCH_MS = 500;
const DYING_MS = 250;

/** One QEMU: started by this daemon or by an earlier one. */
export class VmProcess {
  readonly pid: number;
  readonly startTicks: number;
  readonly paths: VmPaths;
  /** Resolves when the process is gone. Never rejects. */
  readonly ended: Promise<void>;
  #gone = false;

  private constructor(pid: number, startTicks: number, paths: VmPaths, ended: Promise<void>) {
    this.pid = pid;
    this.startTicks = startTicks;
    this.paths = paths;
    this.ended = ended.then(() => {
      this.#gone = true;
    });
  }

  static async launch(options: Launch): Promise<VmProcess> {
    const started = await launch(options);
    return new VmProcess(
      started.pid,
      started.startTicks,
      options.paths,
      started.exited.then(() => undefined),
    );
  }

  /** A process that came of a fork; `ended` resolves when it is gone. */
  static forked(pid: number, paths: VmPaths, ended: Promise<void>): VmProcess {
    return new VmProcess(pid, processStartTicks(pid) ?? 0, paths, ended);
  }

  /** Takes up a process by its identity; `undefined` when it has gone (and its pid perhaps to another). */
  static find(pid: number, startTicks: number, paths: VmPaths): VmProcess | undefined {
    if (pid <= 0 || processStartTicks(pid) !== startTicks) return undefined;
    const ended = (async () => {
      while (processStartTicks(pid) === startTicks) await delay(WATCH_MS, undefined, { ref: false });
    })();
    return new VmProcess(pid, startTicks, paths, ended);
  }

  get gone(): boolean {
    return this.#gone || processStartTicks(this.pid) !== this.startTicks;
  }

  /** Whether it is gone, or will be in a moment: a process being killed loses its tap and its sockets first. */
  async endsSoon(): Promise<boolean> {
    await Promise.race([this.ended, delay(DYING_MS)]);
    return this.gone;
  }

  /** Connects to the agent. Only once the VM runs (see `Qmp.running`). */
  connectAgent(): GuestConnection {
    try {
      return new GuestConnection(new Socket({ fd: connectUnix(this.paths.agent), readable: true, writable: true }), new SpoolFile(this.paths.spool));
    } catch (error) {
      throw this.failure('the virtual machine cannot be reached', error);
    }
  }

  async connectMonitor(): Promise<Qmp> {
    try {
      return await Qmp.connect(this.paths.monitor);
    } catch (error) {
      throw this.failure('the virtual machine has no monitor', error);
    }
  }

  /** Resolves when a clone has taken in its state. Fault `vm-failed`. */
  async running(timeoutMs: number): Promise<void> {
    const monitor = await this.connectMonitor();
    try {
      await monitor.running(timeoutMs);
    } catch (error) {
      throw this.failure('the virtual machine did not come up', error);
    } finally {
      monitor[Symbol.dispose]();
    }
  }

  /** Resolves when the guest has been idle for a moment, or after the time limit. */
  async quiet(limitMs: number): Promise<void> {
    const until = performance.now() + limitMs;
    let used = processCpuSeconds(this.pid);
    for (let still = 0; still < 3 && performance.now() < until; ) {
      await delay(60);
      const now = processCpuSeconds(this.pid);
      still = now - used <= 0.01 ? still + 1 : 0;
      used = now;
    }
  }

  kill(): void {
    // The pid may be another's by now: only while it is still ours.
    if (!this.gone) process.kill(this.pid, 'SIGKILL');
  }

  /** Ends it and removes its directory. */
  async destroy(): Promise<void> {
    this.kill();
    await Promise.race([this.ended, this.#watch()]);
    await rm(this.paths.directory, { recursive: true, force: true });
  }

  /** A Fault that carries the last lines QEMU wrote. */
  failure(message: string, cause?: unknown): Error {
    return faults.vmFailed(message, this.lastWords(), cause);
  }

  lastWords(): string {
    try {
      return readFileSync(this.paths.log, 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !/is not connected to host network|Expected vmdescription/.test(line))
        .slice(-5)
        .join('\n');
    } catch {
      return '';
    }
  }

  async #watch(): Promise<void> {
    const until = performance.now() + 10_000;
    while (processStartTicks(this.pid) === this.startTicks && performance.now() < until) await delay(5);
  }
}
