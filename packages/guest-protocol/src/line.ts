import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { BodyReader, BodyWriter } from './body.ts';
import { agentFault, agentIncompatible, agentLost } from './faults.ts';
import { encodeMessage, FrameParser, MORE, PAYLOAD_MAX, type Frame } from './frame.ts';
import { PROTOCOL_VERSION, toAgent, toHost } from './messages.ts';
import type { AgentState } from './port.ts';

const EMPTY = Buffer.alloc(0);
/** The longest message believed: no agent of ours sends more. */
const MESSAGE_MAX = 4 << 20;
/** Ends whatever frame the agent may believe it is in the middle of. */
const FLUSH_BYTES = 2 * PAYLOAD_MAX;

interface Waiting {
  resolve(body: BodyReader): void;
  reject(error: unknown): void;
}

/** A connection as messages: requests with their answers, and what the agent says unasked. */
export class Line {
  /** Resolves when the connection ended, for whatever reason. */
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listener: (type: number, stream: number, body: Buffer) => void;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #nextRequest = 1;
  #ended = false;
  #welcome: { nonce: bigint; resolve(state: AgentState): void; reject(error: unknown): void } | undefined;
  #greeted = false;

  /** `listener` gets everything that is not an answer. */
  constructor(stream: Duplex, listener: (type: number, stream: number, body: Buffer) => void) {
    this.#stream = stream;
    this.#listener = listener;
    const parser = new FrameParser((frame) => this.#onFrame(frame));
    this.closed = new Promise((resolve) => {
      const end = () => {
        if (this.#ended) return;
        this.#ended = true;
        stream.destroy();
        for (const waiting of this.#waiting.values()) waiting.reject(agentLost());
        this.#waiting.clear();
        this.#welcome?.reject(agentLost());
        resolve();
      };
      stream.on('error', end);
      stream.on('close', end);
      stream.on('end', end);
      // Whoever has broken out of a container into its guest can send anything: nonsense ends this connection, nothing more.
      stream.on('data', (chunk: Buffer) => {
        try {
          if (!this.#ended) parser.push(chunk);
        } catch {
          end();
        }
      });
      if (stream.destroyed) end();
    });
  }

  async hello(resume: boolean, signal?: AbortSignal): Promise<AgentState> {
    signal?.throwIfAborted();
    if (this.#ended) throw agentLost();
    const nonce = randomBytes(8).readBigUInt64LE(0);
    const answer = new Promise<AgentState>((resolve, reject) => {
      this.#welcome = { nonce, resolve, reject };
    });
    const stop = () => this.#welcome?.reject(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
    if (resume) this.#stream.write(Buffer.alloc(FLUSH_BYTES));
    this.tell(toAgent.hello, 0, new BodyWriter().u64(nonce).u8(resume).done());
    try {
      return await answer;
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#welcome = undefined;
    }
  }

  /** Sends without expecting an answer. */
  tell(type: number, stream: number, body: Uint8Array = EMPTY): void {
    if (!this.#ended) this.#stream.write(encodeMessage(type, stream, body));
  }

  /** Sends a request and waits for its answer. Faults: the agent's, or `agent-lost`. */
  ask(type: number, body: Uint8Array = EMPTY): Promise<BodyReader> {
    if (this.#ended) return Promise.reject(agentLost());
    const request = this.#nextRequest++;
    return new Promise<BodyReader>((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject });
      this.tell(type, request, body);
    });
  }

  end(): void {
    this.#stream.destroy();
  }

  #onFrame(frame: Frame): void {
    // Until the agent has answered this connection's greeting, everything is a leftover of an earlier one.
    if (frame.type === toHost.welcome) {
      this.#onWelcome(frame.payload);
      return;
    }
    if (!this.#greeted) return;
    if ((frame.flags & MORE) !== 0) {
      this.#partial.push(Buffer.from(frame.payload));
      this.#partialBytes += frame.payload.length;
      if (this.#partialBytes > MESSAGE_MAX) throw new RangeError('a message without end');
      return;
    }
    let body = frame.payload;
    if (this.#partial.length > 0) {
      body = Buffer.concat([...this.#partial, body]);
      this.#partial = [];
      this.#partialBytes = 0;
    }
    if (frame.type !== toHost.reply && frame.type !== toHost.fault) {
      this.#listener(frame.type, frame.stream, body);
      return;
    }
    // Read before the request is forgotten: an answer that cannot be read ends the line, and with it the request.
    const reader = new BodyReader(Buffer.from(body));
    const fault = frame.type === toHost.fault ? agentFault(reader.string(), reader.string()) : undefined;
    const waiting = this.#waiting.get(frame.stream);
    this.#waiting.delete(frame.stream);
    if (fault === undefined) waiting?.resolve(reader);
    else waiting?.reject(fault);
  }

  #onWelcome(payload: Buffer): void {
    const body = new BodyReader(payload);
    const welcome = this.#welcome;
    if (welcome === undefined || body.u64() !== welcome.nonce) return;
    this.#greeted = true;
    const protocolVersion = body.u32();
    if (protocolVersion !== PROTOCOL_VERSION) {
      welcome.reject(agentIncompatible(`the guest speaks protocol ${protocolVersion}, this host ${PROTOCOL_VERSION}`));
      return;
    }
    const state = {
      protocolVersion,
      agentVersion: body.string(),
      kernel: body.string(),
      phase: body.string() as AgentState['phase'],
    };
    const startedAtMs = body.number();
    welcome.resolve(startedAtMs === 0 ? state : { ...state, startedAtMs });
  }
}
