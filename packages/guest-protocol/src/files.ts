import type { ExecSink, ExitStatus, FileAccess, FileChange, FilePiece, FileReading, FileStat, ReadOptions, RunningExec, WriteOptions } from '@berth/runtime';
import { BodyReader, type BodyWriter } from './body.ts';
import { agentFault, agentIncompatible, agentLost } from './faults.ts';
import { encodedEnd, FileRecordParser, type FileRecord } from './file-records.ts';
import { Handover } from './handover.ts';
import { PiecesToGuest } from './pieces-to-guest.ts';
import { ChunkParser, type OpenSpool, SlotsToGuest, type Spool } from './spool.ts';

const OPERATIONS = { stat: 1, read: 2, write: 3, changes: 4, layer: 5 } as const;
const FLAGS = { managed: 1, keepKinds: 2, owner: 4 } as const;
const SIGKILL = 9;
const EMPTIED = Buffer.alloc(1);

export interface FilesRequest {
  readonly operation: keyof typeof OPERATIONS;
  readonly flags: number;
  readonly path: string;
  readonly user: string;
}

/** `spool`: how many places before the writable layer it is; 0: there is none. */
export function writeFilesRequest(body: BodyWriter, { operation, flags, path, user }: FilesRequest, spool: number): void {
  body.u8(OPERATIONS[operation]).u8(flags).string(path).string(user).u32(spool);
}

type Begin = (request: FilesRequest, spool: number, sink: ExecSink) => Promise<RunningExec>;

/** The files of a container, by workers of the agent: one a request, which to the protocol is an exec. */
export class GuestFiles implements FileAccess {
  readonly #begin: Begin;
  readonly #spool: Spool | undefined;
  /** It serves one request at a time; others go along the line. */
  #spoolTaken = false;

  constructor(begin: Begin, spool: Spool | undefined) {
    this.#begin = begin;
    this.#spool = spool;
  }

  /** The spool, when it is there and free, for the time of one request. */
  async #takeSpool(): Promise<({ readonly back: number; readonly open: OpenSpool } & AsyncDisposable) | undefined> {
    if (this.#spool === undefined || this.#spoolTaken) return undefined;
    this.#spoolTaken = true;
    try {
      const open = await this.#spool.open();
      const release = async () => {
        this.#spoolTaken = false;
        await open[Symbol.asyncDispose]();
      };
      return { back: this.#spool.back, open, [Symbol.asyncDispose]: release };
    } catch (error) {
      this.#spoolTaken = false;
      throw error;
    }
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
    await using spool = await this.#takeSpool();
    const slots = spool === undefined ? undefined : new SlotsToGuest(spool.open);
    const work = await this.#begin({ operation: 'write', flags, path, user: owner ?? '' }, spool?.back ?? 0, {
      write: (stream, data) => (stream === 'stdout' ? slots?.emptied(data.length) : void words.push(data)),
    });
    let status: ExitStatus | undefined;
    void work.exited.then((ended) => {
      status = ended;
      slots?.end();
    });
    const kill = () => void work.signal(SIGKILL).catch(() => undefined);
    signal?.addEventListener('abort', kill, { once: true });
    try {
      const sending = new PiecesToGuest((data) => work.writeStdin(data), slots);
      for await (const piece of pieces) {
        // What it has refused needs no more.
        if (status !== undefined || signal?.aborted === true) break;
        await sending.put(piece);
      }
      await sending.end(encodedEnd());
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
    await using spool = request.operation === 'stat' ? undefined : await this.#takeSpool();
    const handover = new Handover<FileRecord>();
    const chunks = new ChunkParser(spool?.open, () => work.writeStdin(EMPTIED));
    const parser = new FileRecordParser();
    const words: Buffer[] = [];
    let nonsense: unknown;
    const work: RunningExec = await this.#begin(request, spool?.back ?? 0, {
      write: async (stream, data) => {
        if (stream === 'stderr') words.push(data);
        else if (nonsense === undefined)
          try {
            for await (const chunk of chunks.push(data)) for (const record of parser.push(chunk)) await handover.put(record);
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
      // The spool is the next one's only when this worker has gone.
      if (spool !== undefined) await status;
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
