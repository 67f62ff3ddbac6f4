/**
 * The process that holds a fake runtime's containers: `node holder.ts DIRECTORY`. It listens on DIRECTORY/holder.sock,
 * serves one client at a time, survives it, and ends by itself when nobody is connected and nothing is held.
 */
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { isFault } from '@berth/kit';
import { HeldProcess } from './held-process.ts';
import { MARK, pidsOf, processesOf, statisticsOf } from './process-table.ts';
import { receive, send, type FromHolder, type Reply, type Request, type ToHolder } from './wire.ts';

const IDLE_MS = 1500;
const directory = process.argv[2] ?? '.';
const streams = new Map<string, HeldProcess>();
const containers = new Map<string, { readonly execs: Set<string>; frozen: boolean }>();
let client: Socket | undefined;
let idle: NodeJS.Timeout | undefined;

const markOf = (id: string) => join(directory, id);

function killAll(id: string): void {
  for (const pid of pidsOf(markOf(id))) kill(pid, 9);
}

function kill(pid: number, signal: number | string): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}

function tell(message: FromHolder): void {
  if (client !== undefined) send(client, message);
}

/** Sends a stream's journal from `position`, then its end. */
function follow(name: string, held: HeldProcess, position: number): void {
  held.journal.follow(position, (stream, data, offset) => tell({ output: name, stream, offset, data: data.toString('base64') }));
  if (held.ended !== undefined) tell({ ended: name, ...held.ended });
}

async function hold(id: string, name: string, spec: Extract<Request, { call: 'start' }>['process'], environment: Readonly<Record<string, string>>) {
  const home = join(directory, 'layers', id);
  const held = await HeldProcess.start(spec, { ...environment, [MARK]: markOf(id) }, home);
  streams.set(name, held);
  if (client === undefined) held.journal.unfollow();
  return held;
}

async function answer(request: Request): Promise<Reply> {
  switch (request.call) {
    case 'start': {
      const held = await hold(request.id, request.id, request.process, request.environment);
      containers.set(request.id, { execs: new Set(), frozen: false });
      // Before it is followed, the end waits for whoever follows: it comes after the last byte of output.
      held.onEnded = (ended) => {
        if (held.journal.followed) tell({ ended: request.id, ...ended });
      };
      // Process 1 is gone: so is everything it started, before the last reader of its pipes could wait for them.
      held.onExit = () => killAll(request.id);
      return { started: { pid: held.pid, startedAtMs: held.startedAtMs } };
    }
    case 'follow': {
      const held = streams.get(request.id);
      if (held === undefined) return { known: false };
      // The answer goes first, so that whoever follows knows the container before its output comes.
      setImmediate(() => follow(request.id, held, request.position));
      return { known: true, started: { pid: held.pid, startedAtMs: held.startedAtMs } };
    }
    case 'exec': {
      const held = await hold(request.id, request.exec, request.process, {});
      containers.get(request.id)?.execs.add(request.exec);
      held.onEnded = (ended) => {
        if (held.journal.followed) tell({ ended: request.exec, ...ended });
        containers.get(request.id)?.execs.delete(request.exec);
        streams.delete(request.exec);
      };
      setImmediate(() => follow(request.exec, held, 0));
      return { started: { pid: held.pid, startedAtMs: held.startedAtMs } };
    }
    case 'acknowledge':
      streams.get(request.stream)?.journal.acknowledge(request.position);
      return {};
    case 'stdin':
      await streams.get(request.stream)?.writeStdin(Buffer.from(request.data, 'base64'));
      return {};
    case 'close-stdin':
      streams.get(request.stream)?.closeStdin();
      return {};
    case 'resize':
      streams.get(request.stream)?.resize(request.size);
      return {};
    case 'signal':
      streams.get(request.stream)?.signal(request.signal);
      return {};
    case 'freeze':
      for (const pid of pidsOf(markOf(request.id))) kill(pid, request.frozen ? 'SIGSTOP' : 'SIGCONT');
      return {};
    case 'processes':
      return { rows: processesOf(markOf(request.id)) };
    case 'statistics':
      return { statistics: statisticsOf(markOf(request.id)) };
    case 'destroy':
      killAll(request.id);
      for (const exec of containers.get(request.id)?.execs ?? []) streams.delete(exec);
      containers.delete(request.id);
      streams.delete(request.id);
      return {};
    case 'list':
      return { ids: [...containers.keys()] };
    case 'end':
      for (const id of containers.keys()) killAll(id);
      setImmediate(() => process.exit(0));
      return {};
  }
}

function leaveWhenIdle(): void {
  clearTimeout(idle);
  idle = setTimeout(() => {
    if (client === undefined && containers.size === 0) process.exit(0);
    if (client === undefined) leaveWhenIdle();
  }, IDLE_MS);
}

const server = createServer((socket) => {
  clearTimeout(idle);
  client?.destroy();
  for (const held of streams.values()) held.journal.unfollow();
  client = socket;
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    if (client !== socket) return;
    client = undefined;
    for (const [name, held] of streams) {
      held.journal.unfollow();
      // Nobody will ever read what an exec says to a client that is gone.
      if (!containers.has(name)) held.journal.follow(0, () => held.journal.acknowledge(Number.MAX_SAFE_INTEGER));
    }
    leaveWhenIdle();
  });
  receive<ToHolder>(socket, (request) => {
    void answer(request).then(
      (reply) => {
        if (request.number > 0) send(socket, { answer: request.number, reply });
      },
      (error: unknown) => {
        const fault = isFault(error) ? error : { kind: 'internal', code: 'vm-failed', message: String(error) };
        send(socket, { answer: request.number, fault: { kind: fault.kind, code: fault.code, message: fault.message } });
      },
    );
  });
});
server.on('error', () => process.exit(1));
server.listen(join(directory, 'holder.sock'));
leaveWhenIdle();
