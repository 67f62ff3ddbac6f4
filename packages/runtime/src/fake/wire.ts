import type { Socket } from 'node:net';
import type { ProcessRow, ProcessSpec, Statistics, TerminalSize } from '../port.ts';

/** What the runtime asks of its holder: one JSON object a line, bytes as base64. */
export type Request =
  | { readonly call: 'start'; readonly id: string; readonly process: ProcessSpec; readonly environment: Readonly<Record<string, string>> }
  | { readonly call: 'follow'; readonly id: string; readonly position: number }
  | { readonly call: 'exec'; readonly id: string; readonly exec: string; readonly process: ProcessSpec }
  | { readonly call: 'acknowledge'; readonly stream: string; readonly position: number }
  | { readonly call: 'stdin'; readonly stream: string; readonly data: string }
  | { readonly call: 'close-stdin'; readonly stream: string }
  | { readonly call: 'resize'; readonly stream: string; readonly size: TerminalSize }
  | { readonly call: 'signal'; readonly stream: string; readonly signal: number }
  | { readonly call: 'freeze'; readonly id: string; readonly frozen: boolean }
  | { readonly call: 'processes'; readonly id: string }
  | { readonly call: 'statistics'; readonly id: string }
  | { readonly call: 'destroy'; readonly id: string }
  | { readonly call: 'list' }
  | { readonly call: 'end' };

export type Reply = {
  readonly started?: { readonly pid: number; readonly startedAtMs: number };
  readonly known?: boolean;
  readonly ids?: readonly string[];
  readonly rows?: readonly ProcessRow[];
  readonly statistics?: Statistics;
};

export type FromHolder =
  | { readonly answer: number; readonly reply: Reply }
  | { readonly answer: number; readonly fault: { readonly kind: string; readonly code: string; readonly message: string } }
  | { readonly output: string; readonly stream: 'stdout' | 'stderr'; readonly offset: number; readonly data: string }
  | { readonly ended: string; readonly exitCode: number; readonly finishedAtMs: number };

export type ToHolder = Request & { readonly number: number };

/** Splits a socket's bytes into the objects that were sent. */
export function receive<T>(socket: Socket, take: (message: T) => void): void {
  let rest: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      rest.push(chunk.subarray(from, end));
      take(JSON.parse(Buffer.concat(rest).toString()) as T);
      rest = [];
      from = end + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  });
}

export function send(socket: Socket, message: FromHolder | ToHolder): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
}
