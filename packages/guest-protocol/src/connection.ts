import type { Duplex } from 'node:stream';
import type {
  ContainerSpec,
  ExecSink,
  ExitStatus,
  Limits,
  NicSpec,
  OutputSink,
  ProcessRow,
  ProcessSpec,
  RunningExec,
  ShareMount,
  SocketDoor,
  Statistics,
  TerminalSize,
} from '@berth/runtime';
import { BodyReader, BodyWriter } from './body.ts';
import { Delivery } from './delivery.ts';
import { Execution } from './execution.ts';
import { type FilesRequest, GuestFiles, writeFilesRequest } from './files.ts';
import type { Spool } from './spool.ts';
import { Line } from './line.ts';
import { toAgent, toHost } from './messages.ts';
import type { AgentState, BlockDevice, GuestAgent, LayerPlace, NetworkDevice } from './port.ts';
import { Relay } from './relay.ts';
import { readProcesses, readStatistics } from './reports.ts';
import { encodeStart, writeLimits, writeMounts, writeNic, writeProcess } from './specification.ts';
import { StdinStream } from './stdin.ts';

/** The agent sends 256 KiB ahead of what was acknowledged; whoever sends much more is not our agent any more. */
const JOURNAL_WAITING_MAX = 1 << 20;

interface JournalPiece {
  readonly offset: number;
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/**
 * `GuestAgent` over any byte stream. Requests fail with `agent-lost` when the stream ends; `exited` then stays open,
 * since what became of the container is for whoever holds the VM to find out.
 */
export class GuestConnection implements GuestAgent {
  readonly exited: Promise<ExitStatus>;
  readonly files: GuestFiles;
  readonly #line: Line;
  readonly #stdin: StdinStream;
  readonly #relay: Relay;
  readonly #execs = new Map<number, Execution>();
  #nextExec = 1;
  #journalWaiting = 0;
  #journal: Delivery<JournalPiece> | undefined;
  #settle: (status: ExitStatus) => void = () => undefined;

  /** `spool`: through which bulk goes, where there is one. */
  constructor(stream: Duplex, spool?: Spool) {
    const begin = (request: FilesRequest, back: number, sink: ExecSink) => this.#execute(toAgent.files, (body) => writeFilesRequest(body, request, back), sink);
    this.files = new GuestFiles(begin, spool);
    this.exited = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#line = new Line(stream, (type, id, body) => this.#onMessage(type, id, body));
    this.#stdin = new StdinStream(this.#line, 0);
    this.#relay = new Relay(this.#line);
  }

  get closed(): Promise<void> {
    return this.#line.closed;
  }

  hello(options: { resume?: boolean; signal?: AbortSignal } = {}): Promise<AgentState> {
    return this.#line.hello(options.resume ?? false, options.signal);
  }

  async mountLayers(layers: readonly LayerPlace[]): Promise<void> {
    const body = new BodyWriter();
    body.list(layers, ({ device, part }) => {
      body
        .u32(device.index)
        .u64(part?.offsetBytes ?? 0)
        .u64(part?.sizeBytes ?? 0);
    });
    await this.#line.ask(toAgent.mountLayers, body.done());
  }

  async seal(): Promise<void> {
    await this.#line.ask(toAgent.seal);
  }

  async personalise(identity: Parameters<GuestAgent['personalise']>[0]): Promise<void> {
    const body = new BodyWriter()
      .bytes(identity.entropy)
      .u64(identity.timeNs)
      .string(identity.machineId)
      .string(identity.bootId)
      .u8(identity.warmUp ?? false);
    await this.#line.ask(toAgent.personalise, body.done());
  }

  async prepare(options: { scratch: BlockDevice; format: boolean }): Promise<void> {
    await this.#line.ask(toAgent.prepare, new BodyWriter().u32(options.scratch.index).u8(options.format).done());
  }

  async showVolumes(mounts: readonly ShareMount[]): Promise<void> {
    const body = new BodyWriter();
    writeMounts(body, mounts);
    await this.#line.ask(toAgent.volumes, body.done());
  }

  async start(spec: ContainerSpec): Promise<{ startedAtMs: number }> {
    const reply = await this.#line.ask(toAgent.start, encodeStart(spec));
    reply.u32();
    return { startedAtMs: reply.number() };
  }

  follow(sink: OutputSink): void {
    this.#journal = new Delivery<JournalPiece>(
      async ({ stream, data, offset }) => {
        const taken = sink.write(stream, data, offset);
        if (taken !== undefined) await taken;
        this.#journalWaiting -= data.length;
        this.#acknowledge(offset + data.length);
      },
      // A sink that cannot keep what it is given must not be told more: the agent holds the rest for the next one.
      () => this.#line.end(),
    );
    this.#line.tell(toAgent.follow, 0, new BodyWriter().u64(sink.position).done());
  }

  serveSockets(door: SocketDoor): void {
    this.#relay.serve(door);
  }

  writeStdin(data: Buffer): Promise<void> {
    return this.#stdin.write(data);
  }

  closeStdin(): Promise<void> {
    return this.#stdin.close();
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#line.ask(toAgent.resize, new BodyWriter().u32(0).u32(size.columns).u32(size.rows).done());
  }

  async signal(signal: number): Promise<void> {
    await this.#line.ask(toAgent.signal, new BodyWriter().u32(0).u32(signal).done());
  }

  async freeze(frozen: boolean): Promise<void> {
    await this.#line.ask(toAgent.freeze, new BodyWriter().u8(frozen).done());
  }

  exec(spec: ProcessSpec, sink: ExecSink): Promise<RunningExec> {
    return this.#execute(toAgent.exec, (body) => writeProcess(body, spec), sink);
  }

  async #execute(type: number, write: (body: BodyWriter) => void, sink: ExecSink): Promise<Execution> {
    const id = this.#nextExec++;
    const body = new BodyWriter().u32(id);
    write(body);
    const execution = new Execution(this.#line, id, sink);
    this.#execs.set(id, execution);
    const reply = this.#line.ask(type, body.done());
    execution.begin();
    try {
      execution.pid = (await reply).u32();
    } catch (error) {
      this.#execs.delete(id);
      throw error;
    }
    return execution;
  }

  async processes(): Promise<ProcessRow[]> {
    return readProcesses(await this.#line.ask(toAgent.processes));
  }

  async statistics(): Promise<Statistics> {
    return readStatistics(await this.#line.ask(toAgent.statistics));
  }

  async configureNetwork(nic: NicSpec, device: NetworkDevice): Promise<void> {
    const body = new BodyWriter().u32(device.index);
    writeNic(body, nic);
    await this.#line.ask(toAgent.configureNetwork, body.done());
  }

  async removeNetwork(name: string): Promise<void> {
    await this.#line.ask(toAgent.removeNetwork, new BodyWriter().string(name).done());
  }

  async updateFiles(files: Partial<ContainerSpec['files']>): Promise<void> {
    const body = new BodyWriter();
    for (const content of [files.hosts, files.resolvConf, files.hostname]) {
      body.u8(content !== undefined);
      if (content !== undefined) body.string(content);
    }
    await this.#line.ask(toAgent.updateFiles, body.done());
  }

  async updateLimits(limits: Limits): Promise<void> {
    const body = new BodyWriter();
    writeLimits(body, limits);
    await this.#line.ask(toAgent.updateLimits, body.done());
  }

  async shutdown(): Promise<void> {
    await this.#line.ask(toAgent.shutdown);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#line.end();
    await this.#line.closed;
  }

  #acknowledge(position: number): void {
    this.#line.tell(toAgent.journalAck, 0, new BodyWriter().u64(position).done());
  }

  #onMessage(type: number, id: number, body: Buffer): void {
    switch (type) {
      case toHost.journal: {
        const reader = new BodyReader(body);
        const offset = reader.number();
        const stream = reader.u8() === 2 ? 'stderr' : 'stdout';
        const data = Buffer.from(reader.rest());
        this.#journalWaiting += data.length;
        if (this.#journalWaiting > JOURNAL_WAITING_MAX) throw new RangeError('more output than the window allows');
        this.#journal?.push({ offset, stream, data });
        break;
      }
      case toHost.exit: {
        const reader = new BodyReader(body);
        reader.u64();
        const status = { exitCode: reader.u32(), oomKilled: reader.u8() === 1, finishedAtMs: reader.number() };
        this.#stdin.end();
        this.#journal?.finish(() => this.#settle(status));
        break;
      }
      case toHost.execOutput:
        this.#execs.get(id)?.onOutput(body);
        break;
      case toHost.execExit:
        this.#execs.get(id)?.onExit(body);
        this.#execs.delete(id);
        break;
      case toHost.stdinCredit: {
        const bytes = new BodyReader(body).u32();
        if (id === 0) this.#stdin.onCredit(bytes);
        else this.#execs.get(id)?.stdin.onCredit(bytes);
        break;
      }
      default:
        this.#relay.onMessage(type, id, body);
    }
  }
}
