import type { ExecSink, ExitStatus, FileAccess, FileChange, FilePiece, FileReading, FileStat, ReadOptions, RunningExec, WriteOptions } from '@berth/runtime';
import { BodyReader, type BodyWriter } from './body.ts';
import { agentFault, agentIncompatible, agentLost } from './faults.ts';
import { encodedEnd, encodePiece, FileRecordParser, type FileRecord } from './file-records.ts';
import { Handover } from './handover.ts';

const OPERATIONS = { stat: 1, read: 2, write: 3, changes: 4, layer: 5 } as const;
const FLAGS = { managed: 1, keepKinds: 2, owner: 4 } as const;
/** What is sent in one go, so that small files don't cost a message each. */
const BATCH_BYTES = 28_000;
const SIGKILL = 9;

export interface FilesRequest {
  readonly operation: keyof typeof OPERATIONS;
  readonly flags: number;
  readonly path: string;
  readonly user: string;
}

export function writeFilesRequest(body: BodyWriter, { operation, flags, path, user }: FilesRequest): void {
  body.u8(OPERATIONS[operation]).u8(flags).string(path).string(user);
}

/** The files of a container, by workers of the agent: one a request, which to the protocol is an exec. */
export class GuestFiles implements FileAccess {
  readonly #begin: (request: FilesRequest, sink: ExecSink) => Promise<RunningExec>;

  constructor(begin: (request: FilesRequest, sink: ExecSink) => Promise<RunningExec>) {
    this.#begin = begin;
  }

  async stat(path: string): Promise<FileStat> {
    for await (const record of this.#records({ operation: 'stat', flags: FLAGS.managed, path, user: '' })) if (record.type === 'stat') return record.stat;
    throw agentIncompatible('the guest said nothing of a file');
  }

  async read(path: string, options: ReadOptions = {}): Promise<FileReading> {
    const flags = options.withoutManaged === true ? 0 : FLAGS.managed;
    const records = this.#records({ operation: 'read', flags, path, user: '' }, options.signal);
    const first = await records.next();
    if (first.done === true || first.value.type !== 'stat') {
      await records.return(undefined);
      throw agentIncompatible('the guest said nothing of a file');
    }
    return { stat: first.value.stat, pieces: piecesOf(records) };
  }

  async write(path: string, pieces: AsyncIterable<FilePiece>, options: WriteOptions = {}): Promise<void> {
    const { signal, owner } = options;
    const flags = FLAGS.managed | (options.keepKinds === true ? FLAGS.keepKinds : 0) | (owner === undefined ? 0 : FLAGS.owner);
    const words: Buffer[] = [];
    const work = await this.#begin({ operation: 'write', flags, path, user: owner ?? '' }, { write: (_stream, data) => void words.push(data) });
    let status: ExitStatus | undefined;
    void work.exited.then((ended) => {
      status = ended;
    });
    const kill = () => void work.signal(SIGKILL).catch(() => undefined);
    signal?.addEventListener('abort', kill, { once: true });
    try {
      let batch: Buffer[] = [];
      let bytes = 0;
      for await (const piece of pieces) {
        // What it has refused needs no more.
        if (status !== undefined || signal?.aborted === true) break;
        for (const part of encodePiece(piece)) {
          batch.push(part);
          bytes += part.length;
        }
        if (bytes < BATCH_BYTES) continue;
        await work.writeStdin(Buffer.concat(batch));
        batch = [];
        bytes = 0;
      }
      await work.writeStdin(Buffer.concat([...batch, encodedEnd()]));
      await work.closeStdin();
    } catch (error) {
      kill();
      await work.exited;
      throw error;
    } finally {
      signal?.removeEventListener('abort', kill);
    }
    judge(await work.exited, words, signal);
  }

  async changes(): Promise<FileChange[]> {
    const changes: FileChange[] = [];
    for await (const record of this.#records({ operation: 'changes', flags: 0, path: '', user: '' })) if (record.type === 'change') changes.push(record.change);
    return changes;
  }

  layer(options: { signal?: AbortSignal } = {}): AsyncIterable<FilePiece> {
    return piecesOf(this.#records({ operation: 'layer', flags: 0, path: '', user: '' }, options.signal));
  }

  /** What a worker says, up to its end. A consumer that stops early ends the worker. */
  async *#records(request: FilesRequest, signal?: AbortSignal): AsyncGenerator<FileRecord, undefined> {
    signal?.throwIfAborted();
    const handover = new Handover<FileRecord>();
    const parser = new FileRecordParser();
    const words: Buffer[] = [];
    let nonsense: unknown;
    const work = await this.#begin(request, {
      write: async (stream, data) => {
        if (stream === 'stderr') words.push(data);
        else if (nonsense === undefined)
          try {
            for (const record of parser.push(data)) await handover.put(record);
          } catch (error) {
            nonsense = error;
          }
      },
    });
    let over = false;
    const status = work.exited.then((ended) => {
      over = true;
      handover.end();
      return ended;
    });
    const kill = () => void work.signal(SIGKILL).catch(() => undefined);
    signal?.addEventListener('abort', kill, { once: true });
    try {
      let whole = false;
      for await (const record of handover) {
        if (record.type === 'stat') whole = true;
        if (record.type === 'end') whole = true;
        else yield record;
      }
      judge(await status, words, signal);
      if (nonsense !== undefined || !whole) throw agentIncompatible('the guest sent what is no list of files');
      return undefined;
    } finally {
      signal?.removeEventListener('abort', kill);
      if (!over) kill();
      handover.end();
    }
  }
}

async function* piecesOf(records: AsyncGenerator<FileRecord, undefined>): AsyncGenerator<FilePiece> {
  for await (const record of records) if (record.type === 'entry' || record.type === 'data' || record.type === 'hole') yield record;
}

/** Throws what became of a worker that did not end well. */
function judge(status: ExitStatus, words: readonly Buffer[], signal: AbortSignal | undefined): void {
  if (status.exitCode === 0) return;
  signal?.throwIfAborted();
  if (status.error !== undefined) throw agentLost();
  const said = Buffer.concat(words);
  if (said.length === 0) throw agentFault('memory-exhausted', `the guest's worker ended with ${status.exitCode}`);
  const reader = new BodyReader(said);
  throw agentFault(reader.string(), reader.string());
}
