import { setImmediate as immediate } from 'node:timers/promises';
import type { ContainerSpec, Mount } from '@berth/runtime';
import { bounded } from './bounded.ts';
import { unsupervised, type Container } from './container.ts';
import { runtimeOf, type Deps } from './deps.ts';
import { emitContainer, emitMounts, emitNetwork } from './emit.ts';
import { active, allocateAll, announce, managedFiles, nics, publish } from './endpoints.ts';
import { alreadyStarted, startAborted, startPaused, startRemoving } from './faults.ts';
import { beginRun, leaveNetworks } from './run.ts';
import { next } from './lifecycle.ts';
import { checkLinks, environmentOfLinks, linkersOf } from './links.ts';
import { removeNow } from './remove.ts';
import { save } from './save.ts';
import { startFailure } from './start-failure.ts';
import { limitsOf } from './update.ts';
import { runtimeMounts } from './volumes/mounts.ts';
import { doorOf } from './volumes/sockets.ts';

/**
 * Starts a new run. When it resolves the process has been executed; when it rejects nothing is left of the attempt but its
 * exit code and sentence in the state.
 */
export function startContainer(deps: Deps, container: Container): Promise<void> {
  return container.serial.run(() => startNow(deps, container, { isRestart: false }));
}

/** In the container's queue. A restart by policy goes on counting; any other start begins anew. */
export async function startNow(deps: Deps, container: Container, { isRestart }: { readonly isRestart: boolean }): Promise<void> {
  const { phase } = container.state;
  if (container.removing || container.gone) throw startRemoving();
  if (phase === 'paused') throw startPaused();
  if (phase === 'running' || (phase === 'restarting' && !isRestart)) throw alreadyStarted();
  if (next(phase, 'started') === undefined) throw startRemoving();

  const number = container.run + 1;
  const starting = new AbortController();
  container.run = number;
  container.starting = starting;
  if (!isRestart) {
    container.restartCount = 0;
    container.supervision = unsupervised;
  }
  container.log.retain();
  try {
    container.endpoints = allocateAll(deps, container);
    await save(deps, container, 'start');
    for (const { network } of active(deps, container)) emitNetwork(deps, network, 'connect', container.id);
    announce(deps, container);
    container.publications = await publishPorts(deps, container);
    const mounts = await runtimeMounts(deps, container);
    checkLinks(deps, container);
    starting.signal.throwIfAborted();
    // No limit here: in a crowd most of a start is waiting for one's turn. The runtime limits each thing it does.
    const running = await runtimeOf(deps, container).start(specification(deps, container, mounts), container.log.sink(number), {
      signal: starting.signal,
      door: doorOf(deps, container),
    });
    container.state = {
      phase: 'running',
      pid: running.pid,
      exitCode: 0,
      oomKilled: false,
      error: '',
      startedAtMs: running.startedAtMs,
      finishedAtMs: container.state.finishedAtMs,
    };
    beginRun(deps, container, running, number);
    // Host ports that were chosen here are known to nobody else. All the rest an adoption finds out again, so the client
    // need not wait for it.
    if (container.publications.length > 0) await save(deps, container, '');
    else saveSoon(deps, container, number);
    emitMounts(deps, container, 'mount');
    emitContainer(deps, container, 'start');
    tellLinkers(deps, container);
  } catch (error) {
    if (container.current?.number === number) {
      // The process runs but could not be written down: it must not run unseen.
      await bounded(container.current.running.destroy(), deps.limits.callMs, 'ending the container').catch(() => undefined);
      throw error;
    }
    throw await undoStart(deps, container, number, starting.signal.aborted ? startAborted(container.id) : error);
  } finally {
    container.starting = undefined;
  }
}

function saveSoon(deps: Deps, container: Container, number: number): void {
  void container.serial
    .run(async () => {
      await immediate();
      if (container.current?.number === number && !deps.closing.aborted) await save(deps, container, '');
    })
    .catch((error: unknown) => deps.log.error({ err: error, container: container.id }, 'a start could not be written down'));
}

/** Those that run with a link to it learn its address, in their own queues: nobody waits for that. */
function tellLinkers(deps: Deps, container: Container): void {
  for (const linker of linkersOf(deps, container)) {
    void linker.serial
      .run(async () => {
        if (linker.current !== undefined)
          await bounded(linker.current.running.updateFiles(managedFiles(deps, linker)), deps.limits.callMs, 'rewriting /etc/hosts');
      })
      .catch((error: unknown) => deps.log.warn({ err: error, container: linker.id }, "a linked container's new address could not be written down"));
  }
}

/** Gives back what a start took; the container is as before, but for the failure. */
async function undoStart(deps: Deps, container: Container, number: number, error: unknown): Promise<unknown> {
  const { exitCode, fault } = startFailure(error, container.definition.args, 'create');
  const left = active(deps, container);
  await leaveNetworks(deps, container);
  deps.volumes.table.letGo(container.id);
  container.log.release();
  container.log.endRun(number);
  const { state } = container;
  container.state = { ...state, phase: next(state.phase, 'given-up') ?? state.phase, pid: 0, exitCode, error: fault.message };
  await save(deps, container, '').catch((failure: unknown) =>
    deps.log.error({ err: failure, container: container.id }, 'a failed start could not be written down'),
  );
  for (const { network } of left) emitNetwork(deps, network, 'disconnect', container.id);
  container.renewBegun();
  container.waits.startFailed({ exitCode });
  if (container.definition.autoRemove && container.keep === 0) {
    await removeNow(deps, container, { volumes: true }).catch((failure: unknown) =>
      deps.log.error({ err: failure, container: container.id }, 'could not be removed'),
    );
  }
  return fault;
}

async function publishPorts(deps: Deps, container: Container) {
  try {
    return await publish(deps, container);
  } catch (error) {
    if (error instanceof Error) {
      const endpointId = active(deps, container)[0]?.endpoint.endpointId ?? '';
      error.message = `failed to set up container networking: driver failed programming external connectivity on endpoint ${container.name} (${endpointId}): ${error.message}`;
    }
    throw error;
  }
}

/** What the runtime is to run, for the container's present endpoints. */
function specification(deps: Deps, container: Container, mounts: readonly Mount[]): ContainerSpec {
  const { definition } = container;
  return {
    id: container.id,
    // By its lease: the image may have been removed by force since.
    rootfs: deps.images.rootfs(deps.images.leased(container.id)[0] ?? deps.images.get(definition.imageId)),
    readonlyRootfs: definition.readonlyRootfs,
    process: {
      args: definition.args,
      env: [...definition.env, ...environmentOfLinks(deps, container)],
      cwd: definition.cwd,
      user: definition.user,
      additionalGroups: definition.additionalGroups,
      terminal: definition.terminal,
      stdin: definition.openStdin,
      rlimits: definition.rlimits,
      capabilities: definition.capabilities,
      noNewPrivileges: definition.noNewPrivileges,
    },
    hostname: definition.hostname,
    domainname: definition.domainname,
    files: managedFiles(deps, container),
    mounts,
    sysctls: definition.sysctls,
    limits: limitsOf(definition),
    networks: nics(deps, container),
    init: definition.init,
    shmBytes: definition.shmBytes,
    ...(definition.buildStep === true ? { oneOff: true } : {}),
  };
}
