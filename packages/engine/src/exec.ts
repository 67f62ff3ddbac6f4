import { abortable, newId } from '@berth/kit';
import type { ExitStatus, RunningExec, TerminalSize } from '@berth/runtime';
import { bounded, endsWithin } from './bounded.ts';
import { Channel } from './channel.ts';
import type { Container, Run } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { execEnded, execStarted, isRestarting, notRunning, paused } from './faults.ts';
import type { Attachment, ExecView, NewExec } from './port.ts';
import { startFailure } from './start-failure.ts';

const KEEP_ENDED_MS = 300_000;
const GRACE_MS = 2_000;
const SIGKILL = 9;

/** Writes down a command to be run in a running container. Faults: `not-running`, `paused`. */
export function createExec(deps: Deps, container: Container, request: NewExec): Exec {
  runOf(container);
  const now = deps.clock.nowMs();
  for (const [id, exec] of container.execs) if (exec.endedAtMs !== undefined && now - exec.endedAtMs > KEEP_ENDED_MS) container.execs.delete(id);
  const exec = new Exec(deps, container, request);
  container.execs.set(exec.id, exec);
  emitContainer(deps, container, `exec_create: ${request.args.join(' ')}`, { execID: exec.id });
  return exec;
}

function runOf(container: Container): Run {
  if (container.state.phase === 'restarting') throw isRestarting(container.id);
  if (container.current === undefined) throw notRunning(container.id);
  if (container.state.phase === 'paused') throw paused(container.id);
  return container.current;
}

/** One `docker exec`: created, started once, ended. */
export class Exec {
  readonly id = newId();
  readonly #deps: Deps;
  readonly #container: Container;
  readonly #request: NewExec;
  readonly #channel = new Channel();
  #state: 'created' | 'starting' | 'running' | 'ended' = 'created';
  #exitCode: number | null = null;
  #running: RunningExec | undefined;
  endedAtMs: number | undefined;

  constructor(deps: Deps, container: Container, request: NewExec) {
    this.#deps = deps;
    this.#container = container;
    this.#request = request;
  }

  get view(): ExecView {
    return {
      ...this.#request,
      id: this.id,
      containerId: this.#container.id,
      running: this.#state === 'starting' || this.#state === 'running',
      exitCode: this.#exitCode,
      pid: this.#running?.pid ?? 0,
    };
  }

  /**
   * Runs it. A command that is missing or not executable becomes an exec that ended with 127 or 126; attached, its only
   * output is the sentence why, as with Docker; detached, the sentence is the fault.
   */
  async start(options: { readonly detach: boolean; readonly terminalSize?: TerminalSize; readonly signal: AbortSignal }): Promise<Attachment | undefined> {
    if (this.#state === 'ended') throw execEnded(this.id);
    if (this.#state !== 'created') throw execStarted(this.id);
    const run = runOf(this.#container);
    this.#state = 'starting';
    emitContainer(this.#deps, this.#container, `exec_start: ${this.#request.args.join(' ')}`, { execID: this.id });
    const { stdout, stderr } = this.#request;
    const sink = {
      write: (stream: 'stdout' | 'stderr', data: Buffer) => {
        if (!options.detach && (stream === 'stdout' ? stdout : stderr)) return this.#channel.write({ stream, data });
        return undefined;
      },
    };
    try {
      const running = await bounded(run.running.exec(this.#specification(options), sink), this.#deps.limits.startMs, 'starting the command');
      this.#running = running;
      this.#state = 'running';
      void running.exited.then((status) => this.#end(status.exitCode));
    } catch (error) {
      const { exitCode, fault } = startFailure(error, this.#request.args, 'exec');
      if (options.detach || exitCode === 128) {
        this.#end(exitCode, false);
        throw fault;
      }
      void this.#channel.write({ stream: 'stdout', data: Buffer.from(`${fault.message}\r\n`) });
      this.#end(exitCode, false);
    }
    if (options.detach) return undefined;
    options.signal.addEventListener('abort', () => this.#channel.leave(), { once: true });
    if (options.signal.aborted) this.#channel.leave();
    return {
      output: this.#channel.read(),
      writeStdin: async (data) => {
        if (this.#request.stdin && this.#running !== undefined && this.#state === 'running') await abortable(this.#running.writeStdin(data), options.signal);
      },
      endStdin: async () => {
        if (this.#request.stdin && !this.#request.terminal) await this.#running?.closeStdin();
      },
    };
  }

  async resize(size: TerminalSize): Promise<void> {
    if (this.#running === undefined || this.#state !== 'running') throw notRunning(this.#container.id);
    await bounded(this.#running.resize(size), this.#deps.limits.callMs, 'resizing');
  }

  /** SIGKILL; nothing when it doesn't run. */
  async kill(): Promise<void> {
    if (this.#state === 'running' && this.#running !== undefined) await bounded(this.#running.signal(SIGKILL), this.#deps.limits.callMs, 'ending the command');
  }

  /** The container is gone, and its processes with it; a runtime that doesn't say so in time is not waited for. */
  containerEnded(): void {
    if (this.#state !== 'running') return;
    const exited: Promise<ExitStatus> = this.#running?.exited ?? Promise.resolve({ exitCode: 137, oomKilled: false, finishedAtMs: 0 });
    void endsWithin(exited, GRACE_MS).then((ended) => {
      if (!ended) this.#end(137);
    });
  }

  #end(exitCode: number, ran = true): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#exitCode = exitCode;
    this.endedAtMs = this.#deps.clock.nowMs();
    // The code is there before the output ends: clients ask for it then.
    this.#channel.end();
    if (ran) emitContainer(this.#deps, this.#container, 'exec_die', { execID: this.id, exitCode: String(exitCode) });
  }

  #specification(options: { readonly terminalSize?: TerminalSize }) {
    const { definition } = this.#container;
    const { args, env, cwd, user, terminal, stdin } = this.#request;
    return {
      args,
      env: env.length === 0 ? definition.env : env,
      cwd: cwd === '' ? definition.cwd : cwd,
      user: user === '' ? definition.user : user,
      additionalGroups: definition.additionalGroups,
      terminal,
      ...(options.terminalSize === undefined ? {} : { terminalSize: options.terminalSize }),
      stdin,
      rlimits: definition.rlimits,
      capabilities: definition.capabilities,
      noNewPrivileges: definition.noNewPrivileges,
    };
  }
}
