import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Runtime } from '@berth/runtime';
import { bounded } from './bounded.ts';
import { settleNetworks } from './connect.ts';
import { Container, logPath, unsupervised } from './container.ts';
import { warm } from './create.ts';
import type { Deps } from './deps.ts';
import { announce, publish } from './endpoints.ts';
import { isAlive, next } from './lifecycle.ts';
import { removeNow } from './remove.ts';
import type { Intent } from './rows.ts';
import { neverRestart, startsWithDaemon } from './restart-policy.ts';
import { beginRun, leaveNetworks } from './run.ts';
import { save } from './save.ts';
import { limitsOf } from './update.ts';
import { holdDisks } from './volumes/mounts.ts';
import { doorOf } from './volumes/sockets.ts';

const AT_ONCE = 8;
const LOST = 'the container was lost while the daemon was not running';

/**
 * Compares the rows with what really runs, after the daemon was away for whatever reason, and makes one of them true: what
 * runs is adopted, what was half-done is finished or undone, what nobody owns is removed. Read the table in
 * docs/design/container-lifecycle.md.
 */
export async function reconcile(deps: Deps, signal?: AbortSignal): Promise<void> {
  await deps.volumes.open();
  const stored = await deps.rows.containers();
  for (const network of await deps.rows.networks()) deps.networks.add(network);
  const containers = stored.map((row) => {
    const container = new Container(row.definition, deps.stateDirectory, deps.clock);
    const { state, run, restartCount, supervision, endpoints, publications } = row;
    const { health, ...rest } = supervision;
    Object.assign(container, { state, run, restartCount, supervision: rest, health, endpoints, publications });
    deps.registry.add(container);
    for (const mount of row.definition.mounts) if (mount.type === 'volume') deps.volumes.table.use(mount.name, container.id);
    return { container, intent: row.intent };
  });

  const networks = deps.networks.all();
  const endpoints = containers.flatMap(({ container }) =>
    container.endpoints.flatMap(({ endpoint }) => (endpoint === undefined || endpoint.mac === '' ? [] : [endpoint])),
  );
  await deps.networking.restore(networks, endpoints);

  const left = new Map<Runtime, ReadonlySet<string>>();
  for (const runtime of deps.runtimes.values()) left.set(runtime, new Set(await bounded(runtime.list(), deps.limits.callMs, 'asking what runs')));

  await inParallel(containers, async ({ container, intent }) => {
    signal?.throwIfAborted();
    try {
      await settle(deps, container, intent, left);
    } catch (error) {
      // One container that cannot be settled must not keep all others away.
      deps.log.error({ err: error, container: container.id }, 'a container could not be taken up');
      container.state = { ...container.state, phase: 'dead', pid: 0, error: error instanceof Error ? error.message : String(error) };
    }
  });
  await sweep(deps, left);
}

async function settle(deps: Deps, container: Container, intent: Intent, left: ReadonlyMap<Runtime, ReadonlySet<string>>): Promise<void> {
  const runtime = deps.runtimes.get(container.definition.runtime);
  if (runtime === undefined) throw new Error(`its runtime ${container.definition.runtime} is not there`);
  const { state } = container;
  const present = left.get(runtime)?.has(container.id) === true;
  try {
    if (deps.images.leased(container.id).length === 0) deps.images.lease(deps.images.get(container.definition.imageId), container.id);
  } catch (error) {
    // What runs needs its image no more than what is stopped; only a start will fail.
    deps.log.error({ err: error, container: container.id }, "a container's image is missing");
  }
  if (container.definition.buildStep === true) return await discard(deps, container, runtime, present);
  const wasAlive = isAlive(state.phase);
  container.log.endedRun = wasAlive || intent === 'start' ? container.run - 1 : container.run;

  if (wasAlive || intent === 'start') {
    if (present && (await adopt(deps, container, runtime, intent))) return;
    if (present) await bounded(runtime.stopLeftovers(container.id), deps.limits.callMs, 'ending what is left');
    await leaveNetworks(deps, container);
    container.log.endRun(container.run);
    if (wasAlive) container.state = { ...state, phase: 'exited', pid: 0, exitCode: 255, error: LOST, finishedAtMs: deps.clock.nowMs() };
    markDue(container);
    await save(deps, container, '');
    if (container.definition.autoRemove) await removeNow(deps, container, { volumes: true });
    return;
  }
  if (present) await bounded(runtime.stopLeftovers(container.id), deps.limits.callMs, 'ending what is left');
  const unremoved = container.definition.autoRemove && state.phase === 'exited';
  if (state.phase === 'removing' || state.phase === 'dead' || unremoved) {
    await removeNow(deps, container, { volumes: intent === 'remove-volumes' || container.definition.autoRemove });
  } else if (markDue(container)) await save(deps, container, '');
  else if (state.phase === 'created') warmIfPossible(deps, container);
}

/** The build it was a step of has ended with its daemon. */
async function discard(deps: Deps, container: Container, runtime: Runtime, present: boolean): Promise<void> {
  if (present) await bounded(runtime.stopLeftovers(container.id), deps.limits.callMs, 'ending a step of a build');
  await leaveNetworks(deps, container);
  container.log.endRun(container.run);
  if (isAlive(container.state.phase)) container.state = { ...container.state, phase: 'exited', pid: 0, exitCode: 255, error: LOST };
  await removeNow(deps, container, { volumes: true });
}

/** Containers that start with the daemon are to be restarted, but for those that never ran. */
function markDue(container: Container): boolean {
  const { state, definition, restartCount, supervision } = container;
  const { restart = neverRestart } = definition;
  if (state.startedAtMs === 0 || state.phase === 'restarting' || !startsWithDaemon(restart, { exitCode: state.exitCode, restartCount, ...supervision }))
    return false;
  const phase = next(state.phase, 'restart-due');
  if (phase === undefined) return false;
  container.state = { ...state, phase };
  container.restartCount = 0;
  container.supervision = unsupervised;
  return true;
}

function warmIfPossible(deps: Deps, container: Container): void {
  try {
    warm(deps, container);
  } catch (error) {
    deps.log.debug({ err: error, container: container.id }, 'not warmed');
  }
}

/** Takes up a container that runs, or whose end its runtime has kept. */
async function adopt(deps: Deps, container: Container, runtime: Runtime, intent: Intent): Promise<boolean> {
  const { log, run, state } = container;
  log.retain();
  const running = await bounded(
    runtime.adopt(container.id, log.sink(run), { door: doorOf(deps, container) }),
    deps.limits.startMs,
    'taking up the container',
  ).catch((error: unknown) => {
    deps.log.warn({ err: error, container: container.id }, 'a container could not be taken up');
    return undefined;
  });
  if (running === undefined) {
    log.release();
    return false;
  }
  const wasPaused = state.phase === 'paused';
  container.state = {
    ...state,
    phase: wasPaused ? 'paused' : 'running',
    pid: running.pid,
    exitCode: 0,
    oomKilled: false,
    error: '',
    startedAtMs: running.startedAtMs,
  };
  holdDisks(deps, container);
  announce(deps, container);
  container.publications = await publish(deps, container, container.publications).catch((error: unknown) => {
    deps.log.error({ err: error, container: container.id }, 'ports could not be opened again');
    return [];
  });
  beginRun(deps, container, running, run, { isAdopted: true });
  // The row says what is wanted; killed between the two, the process may be in the other state.
  if (wasPaused) await bounded(running.pause(), deps.limits.callMs, 'freezing').catch(() => undefined);
  else await bounded(running.unpause(), deps.limits.callMs, 'thawing').catch(() => undefined);
  if (intent === 'networks') {
    await settleNetworks(deps, container, running).catch((error: unknown) =>
      deps.log.error({ err: error, container: container.id }, 'the networks of a container could not be made those of its row; its next start has them'),
    );
  }
  if (intent === 'update') {
    await bounded(running.updateLimits(limitsOf(container.definition)), deps.limits.callMs, 'changing the limits').catch((error: unknown) =>
      deps.log.error({ err: error, container: container.id }, 'new limits did not reach a container; its next start has them'),
    );
  }
  const { openStdin, stdinOnce, terminal } = container.definition;
  if (openStdin && stdinOnce && !terminal && container.current !== undefined) {
    // The client that held it was connected to the daemon that is gone.
    container.current.stdinClosed = true;
    await bounded(running.closeStdin(), deps.limits.callMs, 'closing stdin').catch(() => undefined);
  }
  await save(deps, container, '');
  return true;
}

/** Removes what has no row: containers of the runtimes, folders, links and rules. */
async function sweep(deps: Deps, left: ReadonlyMap<Runtime, ReadonlySet<string>>): Promise<void> {
  for (const [runtime, ids] of left) {
    await inParallel([...ids], async (id) => {
      if (deps.registry.byId(id) !== undefined) return;
      deps.log.info({ container: id }, 'removing what has no row');
      try {
        await bounded(runtime.stopLeftovers(id), deps.limits.callMs, 'ending what is left');
        await bounded(runtime.remove(id), deps.limits.callMs, 'removing what is left');
      } catch (error) {
        deps.log.error({ err: error, container: id }, 'leftovers could not be removed');
      }
    });
    await bounded(runtime.sweep(new Set(deps.registry.all().map(({ id }) => id))), deps.limits.callMs, 'sweeping');
  }
  await bounded(deps.networking.sweep(deps.networks.all()), deps.limits.callMs, 'sweeping');
  const folder = dirname(logPath(deps.stateDirectory, ''));
  for (const name of await readdir(folder).catch(() => [])) {
    if (deps.registry.byId(name.replace(/\.log(\..*)?$/, '')) === undefined) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, queue.length) }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
}
