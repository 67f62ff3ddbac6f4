import type {
  ContainerSpec,
  ExecSink,
  ExitStatus,
  Limits,
  NicSpec,
  ProcessRow,
  ProcessSpec,
  RunningContainer,
  RunningExec,
  Statistics,
  TerminalSize,
} from '../port.ts';
import type { FakeRuntime } from './fake-runtime.ts';
import type { FakeStream } from './fake-stream.ts';
import type { HolderLink } from './holder-link.ts';

export class FakeContainer implements RunningContainer {
  readonly id: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly exited: Promise<ExitStatus>;
  readonly #runtime: FakeRuntime;
  readonly #networks = new Set<string>();

  constructor(runtime: FakeRuntime, id: string, started: { readonly pid: number; readonly startedAtMs: number }, stream: FakeStream) {
    this.#runtime = runtime;
    this.id = id;
    this.pid = started.pid;
    this.startedAtMs = started.startedAtMs;
    this.exited = stream.exited;
  }

  async writeStdin(data: Buffer): Promise<void> {
    await this.#runtime.link.ask({ call: 'stdin', stream: this.id, data: data.toString('base64') });
  }

  async closeStdin(): Promise<void> {
    await this.#runtime.link.ask({ call: 'close-stdin', stream: this.id });
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#runtime.link.ask({ call: 'resize', stream: this.id, size });
  }

  async signal(signal: number): Promise<void> {
    await this.#runtime.link.ask({ call: 'signal', stream: this.id, signal });
  }

  async pause(): Promise<void> {
    await this.#runtime.link.ask({ call: 'freeze', id: this.id, frozen: true });
  }

  async unpause(): Promise<void> {
    await this.#runtime.link.ask({ call: 'freeze', id: this.id, frozen: false });
  }

  exec(spec: ProcessSpec, sink: ExecSink): Promise<RunningExec> {
    return this.#runtime.exec(this.id, spec, sink);
  }

  async processes(): Promise<ProcessRow[]> {
    return [...((await this.#runtime.link.ask({ call: 'processes', id: this.id })).rows ?? [])];
  }

  async statistics(): Promise<Statistics> {
    const { statistics } = await this.#runtime.link.ask({ call: 'statistics', id: this.id });
    if (statistics === undefined) throw new Error('the holder gave no statistics');
    return statistics;
  }

  // What follows has no effect on a process of the host; the conformance suite is told so by `fakeCannot`.
  networkIds(): readonly string[] {
    return [...this.#networks];
  }
  async connectNetwork(nic: NicSpec): Promise<void> {
    this.#networks.add(nic.networkId);
  }
  async disconnectNetwork(networkId: string): Promise<void> {
    this.#networks.delete(networkId);
  }
  async updateFiles(_files: Partial<ContainerSpec['files']>): Promise<void> {}
  async updateLimits(_limits: Limits): Promise<void> {}

  destroy(): Promise<void> {
    return this.#runtime.stopLeftovers(this.id);
  }
}

export class FakeExec implements RunningExec {
  readonly pid: number;
  readonly exited: Promise<ExitStatus>;
  readonly #link: HolderLink;
  readonly #name: string;

  constructor(link: HolderLink, name: string, pid: number, stream: FakeStream) {
    this.#link = link;
    this.#name = name;
    this.pid = pid;
    this.exited = stream.exited;
  }

  async writeStdin(data: Buffer): Promise<void> {
    await this.#link.ask({ call: 'stdin', stream: this.#name, data: data.toString('base64') });
  }

  async closeStdin(): Promise<void> {
    await this.#link.ask({ call: 'close-stdin', stream: this.#name });
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#link.ask({ call: 'resize', stream: this.#name, size });
  }

  async signal(signal: number): Promise<void> {
    await this.#link.ask({ call: 'signal', stream: this.#name, signal });
  }
}
