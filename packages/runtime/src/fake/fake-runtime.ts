import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { newId, Fault } from '@berth/kit';
import type { ContainerFiles } from '../files.ts';
import type {
  ContainerSpec,
  ExecSink,
  ExitStatus,
  FilesRequest,
  OutputSink,
  ProcessSpec,
  RunningContainer,
  RunningExec,
  RunningId,
  Runtime,
  RuntimeFacts,
  WarmRequest,
} from '../port.ts';
import { FakeContainer, FakeExec } from './fake-container.ts';
import { FakeFiles } from './fake-files.ts';
import { FakeStream } from './fake-stream.ts';
import { HolderLink } from './holder-link.ts';
import { folderBytes } from './folder-bytes.ts';

export interface FakeRuntimeOptions {
  /** Where the holder's socket and the writable layers are; a path short enough for a socket. */
  readonly directory: string;
  /** The word users say; default `fake`. */
  readonly name?: string;
}

/** See the folder's index. Closing it leaves containers running; `end` ends them and the holder. */
export class FakeRuntime implements Runtime {
  readonly name: string;
  readonly #directory: string;
  readonly #streams = new Map<string, FakeStream>();
  #link!: HolderLink;
  #closing = false;
  /** What `warm` was asked for, for tests. */
  readonly warmRequests: WarmRequest[] = [];

  private constructor(options: FakeRuntimeOptions) {
    this.name = options.name ?? 'fake';
    this.#directory = options.directory;
  }

  static async open(options: FakeRuntimeOptions, { signal }: { signal?: AbortSignal } = {}): Promise<FakeRuntime> {
    const runtime = new FakeRuntime(options);
    mkdirSync(join(options.directory, 'layers'), { recursive: true });
    runtime.#link = await HolderLink.open(
      options.directory,
      (message) => {
        if ('output' in message) runtime.#streams.get(message.output)?.take(message.stream, Buffer.from(message.data, 'base64'), message.offset);
        else runtime.#end(message.ended, { exitCode: message.exitCode, oomKilled: false, finishedAtMs: message.finishedAtMs });
      },
      signal,
    );
    void runtime.#link.closed.then(() => {
      if (runtime.#closing) return;
      const error = 'the holder of the containers is gone';
      for (const name of [...runtime.#streams.keys()]) runtime.#end(name, { exitCode: 137, oomKilled: false, finishedAtMs: Date.now(), error });
    });
    return runtime;
  }

  describe(): RuntimeFacts {
    return {
      name: this.name,
      acceleration: 'none',
      verdict: 'A stand-in for tests: processes of the host, without isolation.',
      version: 'fake 1',
      kernel: 'host',
      warnings: ['This runtime isolates nothing; it is for tests.'],
      status: [],
    };
  }

  warm(request: WarmRequest): void {
    this.warmRequests.push(request);
  }

  async warmed(): Promise<void> {}

  async start(spec: ContainerSpec, sink: OutputSink, { signal }: { signal?: AbortSignal } = {}): Promise<RunningContainer> {
    signal?.throwIfAborted();
    const stream = this.#open(spec.id, sink);
    try {
      const environment = { HOSTNAME: spec.hostname };
      const { started } = await this.#link.ask({ call: 'start', id: spec.id, process: spec.process, environment });
      if (signal?.aborted === true) {
        await this.stopLeftovers(spec.id);
        throw signal.reason;
      }
      await this.#link.ask({ call: 'follow', id: spec.id, position: sink.position });
      return new FakeContainer(this, spec.id, started ?? { pid: 0, startedAtMs: 0 }, stream);
    } catch (error) {
      this.#streams.delete(spec.id);
      throw error;
    }
  }

  async adopt(id: RunningId, sink: OutputSink): Promise<RunningContainer | undefined> {
    const stream = this.#open(id, sink);
    const { known, started } = await this.#link.ask({ call: 'follow', id, position: sink.position });
    if (known === true && started !== undefined) return new FakeContainer(this, id, started, stream);
    this.#streams.delete(id);
    return undefined;
  }

  /** For `FakeContainer`. */
  async exec(id: RunningId, spec: ProcessSpec, sink: ExecSink): Promise<RunningExec> {
    const exec = newId();
    let position = 0;
    const stream = this.#open(exec, {
      get position() {
        return position;
      },
      write: async (kind, data) => {
        await sink.write(kind, data);
        position += data.length;
      },
    });
    try {
      const { started } = await this.#link.ask({ call: 'exec', id, exec, process: spec });
      return new FakeExec(this.#link, exec, started?.pid ?? 0, stream);
    } catch (error) {
      this.#streams.delete(exec);
      throw error;
    }
  }

  async list(): Promise<RunningId[]> {
    const { ids } = await this.#link.ask({ call: 'list' });
    return [...new Set([...readdirSync(join(this.#directory, 'layers')), ...(ids ?? [])])];
  }

  async stopLeftovers(id: RunningId): Promise<void> {
    await this.#link.ask({ call: 'destroy', id });
    this.#end(id, { exitCode: 137, oomKilled: false, finishedAtMs: Date.now(), error: 'destroyed' });
  }

  async remove(id: RunningId): Promise<void> {
    const { ids } = await this.#link.ask({ call: 'list' });
    if (ids?.includes(id) === true) throw new Fault('conflict', 'still-running', `container ${id} is running`);
    rmSync(join(this.#directory, 'layers', id), { recursive: true, force: true });
  }

  async sweep(known: ReadonlySet<RunningId>): Promise<void> {
    for (const id of await this.list()) {
      if (known.has(id)) continue;
      await this.stopLeftovers(id);
      await this.remove(id);
    }
  }

  /** A folder of its own: what the container's process does, it does to the host's files. */
  async files({ id }: FilesRequest): Promise<ContainerFiles> {
    const root = join(this.#directory, 'layers', id);
    mkdirSync(root, { recursive: true });
    return new FakeFiles(root);
  }

  async writableSize(id: RunningId): Promise<number> {
    return folderBytes(join(this.#directory, 'layers', id));
  }

  get link(): HolderLink {
    return this.#link;
  }

  /** Ends every container and the holder. */
  async end(): Promise<void> {
    this.#closing = true;
    await this.#link.ask({ call: 'end' }).catch(() => undefined);
    await this.#link.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#link.close();
    await this.#link.closed;
  }

  #open(name: string, sink: OutputSink): FakeStream {
    const stream = new FakeStream(sink, (position) => this.#link.tell({ call: 'acknowledge', stream: name, position }));
    this.#streams.set(name, stream);
    return stream;
  }

  #end(name: string, status: ExitStatus): void {
    const stream = this.#streams.get(name);
    this.#streams.delete(name);
    stream?.end(status);
  }
}
