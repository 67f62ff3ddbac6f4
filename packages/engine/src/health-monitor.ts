import { endsWithin } from './bounded.ts';
import type { Container, Run } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { createExec, type Exec } from './exec.ts';
import { afterProbe, probeDelayMs, type HealthCheck, type HealthState, type ProbeResult } from './health-state.ts';
import { save } from './save.ts';

const OUTPUT_BYTES = 4096;
/** From SIGKILL to its end; nobody waits longer for a probe that doesn't die. */
const GRACE_MS = 5_000;

/** Probes a run until aborted, one probe after the other. Its state is the container's; only changes of it are committed. */
export async function watchHealth(deps: Deps, container: Container, run: Run, signal: AbortSignal): Promise<void> {
  const { health: check } = container.definition;
  if (check === undefined) return;
  for (;;) {
    const { health } = container;
    if (health === undefined) return;
    await deps.clock.sleep(probeDelayMs(health, check, deps.clock.nowMs() - run.running.startedAtMs), signal);
    const result = await probe(deps, container, check, signal);
    if (signal.aborted) return;
    await record(deps, container, run, afterProbe(container.health ?? health, result, check, run.running.startedAtMs), signal);
  }
}

async function record(deps: Deps, container: Container, run: Run, health: HealthState, signal: AbortSignal): Promise<void> {
  const before = container.health;
  if (before?.status === health.status && before.failingStreak === health.failingStreak) {
    container.health = health;
    return;
  }
  await container.serial.run(async () => {
    if (container.current !== run || signal.aborted) return;
    container.health = health;
    await save(deps, container, '');
    if (before?.status !== health.status) emitContainer(deps, container, `health_status: ${health.status}`);
  });
}

/** One probe: a command in the container, killed when it takes too long, or when nobody wants to know any more. */
async function probe(deps: Deps, container: Container, check: HealthCheck, signal: AbortSignal): Promise<ProbeResult> {
  const startedAtMs = deps.clock.nowMs();
  const result = (exitCode: number, output: string): ProbeResult => ({ startedAtMs, endedAtMs: deps.clock.nowMs(), exitCode, output });
  const timeUp = new AbortController();
  const giveUp = () => timeUp.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  void deps.clock.sleep(check.timeoutMs, timeUp.signal).then(giveUp, () => undefined);
  let exec: Exec | undefined;
  try {
    exec = createExec(deps, container, { args: check.args, ...asTheContainer });
    const output = new Head(OUTPUT_BYTES);
    const ended = run(exec, output);
    const isInTime = await Promise.race([ended.then(() => true), aborted(timeUp.signal).then(() => false)]);
    if (isInTime) return result(exec.view.pid === 0 ? -1 : (exec.view.exitCode ?? -1), output.text());
    await exec.kill().catch(() => undefined);
    await endsWithin(ended, GRACE_MS);
    const said = output.text();
    return result(-1, `Health check exceeded timeout (${goDuration(check.timeoutMs)})${said === '' ? '' : `: ${said}`}`);
  } catch (error) {
    return result(-1, error instanceof Error ? error.message : String(error));
  } finally {
    signal.removeEventListener('abort', giveUp);
    timeUp.abort();
    // Nobody asks for it any more, and there are many.
    if (exec !== undefined) container.execs.delete(exec.id);
  }
}

const asTheContainer = { env: [], cwd: '', user: '', terminal: false, stdin: false, stdout: true, stderr: true, privileged: false, detachKeys: '' };

async function run(exec: Exec, output: Head): Promise<void> {
  const attachment = await exec.start({ detach: false, signal: new AbortController().signal });
  for await (const { data } of attachment?.output ?? []) output.add(data);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The beginning of an output, with three dots when there was more. */
class Head {
  readonly #most: number;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(data: Buffer): void {
    if (this.#bytes < this.#most) this.#parts.push(Buffer.from(data.subarray(0, this.#most - this.#bytes)));
    this.#bytes += data.length;
  }

  text(): string {
    return Buffer.concat(this.#parts).toString() + (this.#bytes > this.#most ? '...' : '');
  }
}

/** As Go prints one: `500ms`, `2s`, `1m30s`. */
function goDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${(ms % 60_000) / 1000}s`;
}
