import type { ExitStatus, RunningContainer } from '@berth/runtime';
import { bounded } from './bounded.ts';
import type { Container, Run } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer, emitMounts, emitNetwork } from './emit.ts';
import { active, free } from './endpoints.ts';
import { beginHealth, endHealth } from './health.ts';
import { next } from './lifecycle.ts';
import { removeNow } from './remove.ts';
import { neverRestart, restartDelayMs, restartsAfterExit } from './restart-policy.ts';
import { save } from './save.ts';

/** Takes charge of a process that runs: its exit will be dealt with in the container's queue. */
export function beginRun(deps: Deps, container: Container, running: RunningContainer, number: number, { isAdopted = false } = {}): void {
  const ended = Promise.withResolvers<ExitStatus>();
  const run: Run = { number, running, ended: ended.promise, stdinClosed: false };
  container.current = run;
  container.renewBegun();
  beginHealth(deps, container, run, { isAdopted });
  void running.exited.then((status) =>
    container.serial
      .run(() => endRun(deps, container, run, status))
      .catch((error: unknown) => deps.log.error({ err: error, container: container.id }, 'an exit could not be dealt with'))
      .finally(() => ended.resolve(status)),
  );
}

/** The order is part of the design: see docs/design/container-lifecycle.md. */
async function endRun(deps: Deps, container: Container, run: Run, status: ExitStatus): Promise<void> {
  if (deps.closing.aborted) return;
  const left = active(deps, container);
  const published = container.publications.length > 0;
  const remove = container.definition.autoRemove && container.keep === 0;
  const { supervision, restartCount } = container;
  const { exitCode } = status;
  const again = container.keep === 0 && restartsAfterExit(container.definition.restart ?? neverRestart, { exitCode, restartCount, ...supervision });
  if (again) {
    const ranMs = status.finishedAtMs - container.state.startedAtMs;
    container.supervision = { ...supervision, backOffMs: restartDelayMs(supervision.backOffMs, ranMs) };
    container.restartCount = restartCount + 1;
  }
  container.current = undefined;
  endHealth(container);
  container.endpoints = container.endpoints.map((settings) => free(deps, settings));
  container.publications = [];
  container.state = {
    ...container.state,
    phase: remove ? 'removing' : (next(container.state.phase, again ? 'restart-due' : 'exited') ?? container.state.phase),
    pid: 0,
    exitCode: status.exitCode,
    oomKilled: status.oomKilled,
    error: status.error ?? '',
    finishedAtMs: status.finishedAtMs,
  };
  if (container.log.lostBytes > 0) deps.log.warn({ container: container.id, lostBytes: container.log.lostBytes }, 'output was lost');
  await save(deps, container, '').catch((error: unknown) => deps.log.error({ err: error, container: container.id }, 'an exit could not be written down'));
  if (published) await unpublish(deps, container);
  for (const exec of container.execs.values()) exec.containerEnded();
  container.log.release();
  container.log.endRun(run.number);
  if (container.definition.log?.driver === 'none') container.log.clear();

  if (status.oomKilled) emitContainer(deps, container, 'oom');
  const seconds = Math.max(0, Math.floor((status.finishedAtMs - container.state.startedAtMs) / 1000));
  emitContainer(deps, container, 'die', { exitCode: String(status.exitCode), execDuration: String(seconds) });
  for (const { network } of left) emitNetwork(deps, network, 'disconnect', container.id);
  emitMounts(deps, container, 'unmount');
  deps.volumes.table.letGo(container.id);
  container.waits.exited({ exitCode: status.exitCode, ...(status.error === undefined ? {} : { error: status.error }) });

  if (container.definition.buildStep === true) {
    container.lingering = run.running;
    return;
  }
  await bounded(run.running.destroy(), deps.limits.callMs, 'ending the virtual machine').catch((error: unknown) =>
    deps.log.error({ err: error, container: container.id }, 'what is left of a container could not be ended'),
  );
  if (remove) await removeNow(deps, container, { volumes: true });
  if (again) deps.restartLater(container, container.supervision.backOffMs);
}

/** Gives back addresses, names and ports. In memory, but for the ports; never throws. */
export async function leaveNetworks(deps: Deps, container: Container): Promise<void> {
  container.endpoints = container.endpoints.map((settings) => free(deps, settings));
  container.publications = [];
  if (container.definition.ports.length > 0) await unpublish(deps, container);
}

async function unpublish(deps: Deps, container: Container): Promise<void> {
  await bounded(deps.networking.unpublish(container.id), deps.limits.callMs, 'closing ports').catch((error: unknown) =>
    deps.log.error({ err: error, container: container.id }, 'ports could not be closed'),
  );
}
