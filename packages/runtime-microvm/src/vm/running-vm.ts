import type { GuestConnection } from '@berth/guest-protocol';
import { isFault } from '@berth/kit';
import type {
  ContainerSpec,
  ExecSink,
  ExitStatus,
  FileAccess,
  Limits,
  NicSpec,
  OutputSink,
  ProcessRow,
  ProcessSpec,
  RunningContainer,
  RunningExec,
  SocketDoor,
  Statistics,
  TerminalSize,
} from '@berth/runtime';
import { requireRoom } from '../flavor.ts';
import type { NicBay } from './nic-bay.ts';
import type { VmProcess } from './process.ts';

/** What `docker ps` shows for a container whose machine died under it: as if it had been killed. */
const LOST_EXIT_CODE = 137;
const RESUME_LIMIT_MS = 10_000;

export interface RunningVmParts {
  readonly id: string;
  readonly vm: VmProcess;
  readonly agent: GuestConnection;
  readonly nics: NicBay;
  readonly startedAtMs: number;
  readonly sink: OutputSink;
  readonly door: SocketDoor;
  /** Ends the VM and frees what belongs to it. */
  readonly destroy: (agent: GuestConnection) => Promise<void>;
}

/** A container in its VM. */
export class RunningVm implements RunningContainer {
  readonly id: string;
  readonly startedAtMs: number;
  readonly exited: Promise<ExitStatus>;
  readonly #parts: RunningVmParts;
  #agent: GuestConnection;
  #destroyed: Promise<void> | undefined;
  #settle: (status: ExitStatus) => void = () => undefined;

  /** The agent has started the container, or had; output is asked for from the sink's position. */
  constructor(parts: RunningVmParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.startedAtMs = parts.startedAtMs;
    this.#agent = parts.agent;
    this.exited = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#follow(parts.agent);
  }

  get pid(): number {
    return this.#parts.vm.pid;
  }

  /** Of whatever connection there is at the time. */
  get files(): FileAccess {
    return this.#agent.files;
  }

  writeStdin(data: Buffer): Promise<void> {
    return this.#agent.writeStdin(data);
  }

  closeStdin(): Promise<void> {
    return this.#agent.closeStdin();
  }

  resize(size: TerminalSize): Promise<void> {
    return this.#agent.resize(size);
  }

  signal(signal: number): Promise<void> {
    return this.#agent.signal(signal);
  }

  pause(): Promise<void> {
    return this.#agent.freeze(true);
  }

  unpause(): Promise<void> {
    return this.#agent.freeze(false);
  }

  async exec(spec: ProcessSpec, sink: ExecSink, options: { signal?: AbortSignal } = {}): Promise<RunningExec> {
    options.signal?.throwIfAborted();
    return await this.#agent.exec(spec, sink);
  }

  processes(): Promise<ProcessRow[]> {
    return this.#agent.processes();
  }

  statistics(): Promise<Statistics> {
    return this.#agent.statistics();
  }

  networkIds(): readonly string[] {
    return this.#parts.nics.networkIds;
  }

  connectNetwork(nic: NicSpec): Promise<void> {
    return this.#parts.nics.connect(nic, (device) => this.#agent.configureNetwork(nic, { index: device }));
  }

  disconnectNetwork(networkId: string): Promise<void> {
    return this.#parts.nics.disconnect(networkId, (name) => this.#agent.removeNetwork(name));
  }

  updateFiles(files: Partial<ContainerSpec['files']>): Promise<void> {
    return this.#agent.updateFiles(files);
  }

  async updateLimits(limits: Limits): Promise<void> {
    requireRoom(this.#parts.nics.flavor, limits);
    await this.#agent.updateLimits(limits);
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#parts.destroy(this.#agent).finally(() => this.#lost('the container was destroyed'));
    return this.#destroyed;
  }

  /** Hangs up and leaves the VM running, for the next daemon. */
  async release(): Promise<void> {
    this.#destroyed ??= Promise.resolve();
    await this.#agent[Symbol.asyncDispose]();
  }

  #follow(agent: GuestConnection): void {
    agent.follow(this.#parts.sink);
    void agent.exited.then((status) => this.#settle(status));
    void agent.closed.then(() => this.#reconnect());
  }

  /** The line was cut: either QEMU is no more, or it is asked again from where the sink stands. */
  async #reconnect(): Promise<void> {
    if (this.#destroyed !== undefined) return;
    const { vm } = this.#parts;
    for (let attempt = 0; attempt < 3 && !vm.gone && this.#destroyed === undefined; attempt++) {
      try {
        const agent = vm.connectAgent();
        agent.serveSockets(this.#parts.door);
        await agent.hello({ resume: true, signal: AbortSignal.timeout(RESUME_LIMIT_MS) });
        this.#agent = agent;
        this.#follow(agent);
        return;
      } catch (error) {
        if (!isFault(error) && (error as Error).name !== 'TimeoutError') throw error;
      }
    }
    if (this.#destroyed !== undefined) return;
    const words = vm.lastWords();
    vm.kill();
    this.#lost(words === '' ? 'the virtual machine ended unexpectedly' : `the virtual machine ended unexpectedly: ${words.split('\n').at(-1)}`);
  }

  #lost(error: string): void {
    this.#settle({ exitCode: LOST_EXIT_CODE, oomKilled: false, finishedAtMs: Date.now(), error });
  }
}
