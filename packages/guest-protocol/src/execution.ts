import type { ExecSink, ExitStatus, RunningExec, TerminalSize } from '@berth/runtime';
import { BodyReader, BodyWriter } from './body.ts';
import { Delivery } from './delivery.ts';
import type { Line } from './line.ts';
import { toAgent } from './messages.ts';
import { StdinStream } from './stdin.ts';

/** Output the agent may send before the sink has taken it. */
const WINDOW_BYTES = 256 << 10;

interface Piece {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/** One `exec`, from the host's side. */
export class Execution implements RunningExec {
  readonly id: number;
  pid = 0;
  readonly exited: Promise<ExitStatus>;
  readonly stdin: StdinStream;
  readonly #line: Line;
  readonly #delivery: Delivery<Piece>;
  #waiting = 0;
  #dropped = false;
  #resolve: (status: ExitStatus) => void = () => undefined;

  constructor(line: Line, id: number, sink: ExecSink) {
    this.#line = line;
    this.id = id;
    this.stdin = new StdinStream(line, id);
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#delivery = new Delivery<Piece>(
      async ({ stream, data }) => {
        // A listener who went away must not hold the process: what follows is taken and dropped.
        try {
          await sink.write(stream, data);
        } finally {
          this.#waiting -= data.length;
          this.#grant(data.length);
        }
      },
      () => this.#dropOutput(),
    );
    void line.closed.then(() => this.#settle({ exitCode: 255, oomKilled: false, finishedAtMs: Date.now(), error: 'the connection to the guest ended' }));
  }

  /** The agent knows the exec from the request on, so credit may follow it at once. */
  begin(): void {
    this.#grant(WINDOW_BYTES);
  }

  #dropOutput(): void {
    this.#dropped = true;
  }

  onOutput(body: Buffer): void {
    const data = Buffer.from(body.subarray(1));
    this.#waiting += data.length;
    if (this.#waiting > 4 * WINDOW_BYTES) throw new RangeError('more output than the window allows');
    if (this.#dropped) {
      this.#waiting = 0;
      this.#grant(data.length);
    } else this.#delivery.push({ stream: body[0] === 2 ? 'stderr' : 'stdout', data });
  }

  onExit(body: Buffer): void {
    const reader = new BodyReader(body);
    const status = { exitCode: reader.u32(), oomKilled: reader.u8() === 1, finishedAtMs: reader.number() };
    if (this.#dropped) this.#settle(status);
    else this.#delivery.finish(() => this.#settle(status));
  }

  writeStdin(data: Buffer): Promise<void> {
    return this.stdin.write(data);
  }

  closeStdin(): Promise<void> {
    return this.stdin.close();
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#line.ask(toAgent.resize, new BodyWriter().u32(this.id).u32(size.columns).u32(size.rows).done());
  }

  async signal(signal: number): Promise<void> {
    await this.#line.ask(toAgent.signal, new BodyWriter().u32(this.id).u32(signal).done());
  }

  #grant(bytes: number): void {
    this.#line.tell(toAgent.execCredit, this.id, new BodyWriter().u32(bytes).done());
  }

  #settle(status: ExitStatus): void {
    this.stdin.end();
    this.#resolve(status);
  }
}
