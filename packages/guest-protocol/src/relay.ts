import type { Duplex } from 'node:stream';
import type { SocketDoor } from '@berth/runtime';
import { BodyReader, BodyWriter } from './body.ts';
import type { Line } from './line.ts';
import { toAgent, toHost } from './messages.ts';

/** What may be on its way in one direction of one connection; the agent has the same number. */
const WINDOW_BYTES = 64 << 10;
/** The agent lets 64 in at a time, and may have seen an end that this side has not; whoever has more is not our agent. */
const CONNECTIONS_MAX = 128;
const PIECE_BYTES = 30_000;
/** What the container wrote before it hung up may take so long to be read. */
const LINGER_MS = 10_000;
const HALF = 0;
const WHOLE = 1;

/**
 * The host's halves of connections that a container has made to its socket mounts. Each direction has a window, refilled
 * as the other side takes what it was sent; each ends for itself. When the line ends, so do they all.
 */
export class Relay {
  readonly #line: Line;
  readonly #connections = new Map<number, Connection>();
  #door: SocketDoor = () => undefined;

  constructor(line: Line) {
    this.#line = line;
    void line.closed.then(() => {
      for (const connection of this.#connections.values()) connection.drop();
    });
  }

  serve(door: SocketDoor): void {
    this.#door = door;
  }

  /** Throws RangeError at what no agent of ours sends. */
  onMessage(type: number, id: number, body: Buffer): void {
    if (type === toHost.relayOpen) this.#open(id, new BodyReader(body).string());
    else if (type === toHost.relayData) this.#connections.get(id)?.onData(Buffer.from(body));
    else if (type === toHost.relayCredit) this.#connections.get(id)?.onCredit(new BodyReader(body).u32());
    else if (type === toHost.relayEnd) this.#end(id, new BodyReader(body).u8() === WHOLE);
  }

  #open(id: number, target: string): void {
    if (this.#connections.size >= CONNECTIONS_MAX || this.#connections.has(id)) throw new RangeError('more connections than a guest may have');
    const stream = this.#door(target);
    if (stream === undefined) {
      this.#line.tell(toAgent.relayEnd, id, Buffer.from([WHOLE]));
      return;
    }
    this.#connections.set(id, new Connection(this.#line, id, stream, () => this.#connections.delete(id)));
  }

  #end(id: number, whole: boolean): void {
    const connection = this.#connections.get(id);
    if (whole) this.#connections.delete(id);
    connection?.onEnd(whole);
  }
}

class Connection {
  readonly #line: Line;
  readonly #id: number;
  readonly #stream: Duplex;
  readonly #over: () => void;
  #credit = WINDOW_BYTES;
  #waiting = 0;
  #rest: Buffer | undefined;
  #readEnded = false;
  #closed = false;
  #peerGone = false;

  constructor(line: Line, id: number, stream: Duplex, over: () => void) {
    this.#line = line;
    this.#id = id;
    this.#stream = stream;
    this.#over = over;
    // Whatever went wrong, it is followed by its close.
    stream.on('error', () => undefined);
    stream.on('data', (data: Buffer) => this.#send(data));
    stream.once('end', () => {
      this.#readEnded = true;
      this.#tellEnd(HALF);
    });
    stream.once('close', () => {
      this.#closed = true;
      // What broke has no last bytes.
      if (!this.#readEnded) this.#rest = undefined;
      this.#tellEnd(WHOLE);
    });
  }

  onData(data: Buffer): void {
    this.#waiting += data.length;
    if (this.#waiting > WINDOW_BYTES) throw new RangeError('more than the window allows');
    if (this.#stream.writableEnded) return;
    this.#stream.write(data, () => {
      this.#waiting -= data.length;
      this.#line.tell(toAgent.relayCredit, this.#id, new BodyWriter().u32(data.length).done());
    });
  }

  onCredit(bytes: number): void {
    this.#credit = Math.min(WINDOW_BYTES, this.#credit + bytes);
    if (this.#rest === undefined) return;
    this.#send(this.#rest);
    if (this.#rest !== undefined) return;
    if (this.#closed) this.#tellEnd(WHOLE);
    else if (this.#readEnded) this.#tellEnd(HALF);
    else this.#stream.resume();
  }

  onEnd(whole: boolean): void {
    if (!whole) {
      this.#stream.end();
      return;
    }
    this.#peerGone = true;
    // What the container had written before it went is still the other side's.
    const limit = setTimeout(() => this.#stream.destroy(), LINGER_MS).unref();
    this.#stream.end(() => {
      clearTimeout(limit);
      this.#stream.destroy();
    });
  }

  drop(): void {
    this.#peerGone = true;
    this.#rest = undefined;
    this.#stream.destroy();
  }

  #send(data: Buffer): void {
    let at = 0;
    while (at < data.length && this.#credit > 0) {
      const size = Math.min(data.length - at, this.#credit, PIECE_BYTES);
      this.#line.tell(toAgent.relayData, this.#id, data.subarray(at, at + size));
      this.#credit -= size;
      at += size;
    }
    this.#rest = at === data.length ? undefined : data.subarray(at);
    if (this.#rest !== undefined) this.#stream.pause();
  }

  /** After the last byte, which may still wait for room when the stream has none any more. */
  #tellEnd(kind: number): void {
    if (this.#rest !== undefined) return;
    if (!this.#peerGone) this.#line.tell(toAgent.relayEnd, this.#id, Buffer.from([kind]));
    if (kind === WHOLE) this.#over();
  }
}
