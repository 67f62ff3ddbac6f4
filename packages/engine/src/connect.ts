import type { RunningContainer } from '@berth/runtime';
import { bounded } from './bounded.ts';
import type { Container, Run } from './container.ts';
import type { Deps } from './deps.ts';
import { emitNetwork } from './emit.ts';
import { allocate, announceOne, free, managedFiles, nics, publish, wayOut } from './endpoints.ts';
import { alreadyConnected, endpointNotFound, notConnected, privateNetwork, startRemoving } from './faults.ts';
import { resolveRequest } from './network-requests.ts';
import type { StoredNetwork } from './network-table.ts';
import type { NetworkRequest } from './port.ts';
import { save } from './save.ts';

/** Joins a network, at once when it runs, else at its next start. */
export function connectNetwork(deps: Deps, container: Container, request: NetworkRequest): Promise<void> {
  return container.serial.run(async () => {
    if (container.gone) throw startRemoving();
    const settings = resolveRequest(deps, request);
    const network = deps.networks.find(settings.networkId);
    const before = container.endpoints;
    if (before.some(({ networkId }) => networkId === network.id)) throw alreadyConnected(container.name, network.name);
    if (network.driver === 'none' || before.some(({ networkId }) => deps.networks.byId(networkId)?.driver === 'none')) throw privateNetwork();
    const run = container.current;
    const leading = wayOut(deps, container);
    const joined = run === undefined ? settings : allocate(deps, container, settings, before);
    container.endpoints = [...before, joined];
    try {
      await save(deps, container, run === undefined ? '' : 'networks');
      if (run !== undefined && joined.endpoint !== undefined) {
        const isWayOut = wayOut(deps, container)?.endpoint === joined.endpoint;
        const nic = deps.networking.nic(network, joined.endpoint, joined.nic ?? '', isWayOut);
        await bounded(run.running.connectNetwork(nic), deps.limits.callMs, 'joining the network');
        announceOne(deps, container, { endpoint: joined.endpoint, links: joined.links ?? [] });
        await bounded(run.running.updateFiles(managedFiles(deps, container)), deps.limits.callMs, 'rewriting /etc/hosts');
        // Its default route has replaced the one there was.
        if (isWayOut && leading?.endpoint !== joined.endpoint) await movePorts(deps, container);
        await save(deps, container, '');
      }
    } catch (error) {
      container.endpoints = before;
      free(deps, joined);
      await save(deps, container, run === undefined ? '' : 'networks').catch(() => undefined);
      // What came about of it is undone, or else by the next daemon.
      if (run !== undefined) {
        await settleNetworks(deps, container, run.running)
          .then(() => movePorts(deps, container))
          .then(() => save(deps, container, ''))
          .catch((failure: unknown) => deps.log.warn({ err: failure, container: container.id }, 'a network was not joined, and not left either'));
      }
      throw error;
    }
    emitNetwork(deps, network, 'connect', container.id);
  });
}

/** Leaves a network. Faults `not-connected`, `endpoint-not-found` with `force`, else `container-not-found`. */
export function disconnectNetwork(deps: Deps, reference: string, network: StoredNetwork, { force }: { readonly force: boolean }): Promise<void> {
  // With force Docker looks among the network's endpoints, which may be there without their container; here none is.
  if (force && deps.registry.isAbsent(reference)) throw endpointNotFound(reference);
  const container = deps.registry.find(reference);
  return container.serial.run(async () => {
    const settings = container.endpoints.find(({ networkId }) => networkId === network.id);
    if (settings === undefined) throw notConnected(container.id, network.name);
    const run = container.current;
    const before = container.endpoints;
    const leading = wayOut(deps, container);
    container.endpoints = before.filter((other) => other !== settings);
    try {
      await save(deps, container, run === undefined ? '' : 'networks');
      if (run !== undefined && network.driver === 'bridge') {
        await bounded(run.running.disconnectNetwork(network.id), deps.limits.callMs, 'leaving the network');
      }
    } catch (error) {
      container.endpoints = before;
      await save(deps, container, '').catch(() => undefined);
      throw error;
    }
    free(deps, settings);
    if (run !== undefined) {
      if (leading?.network.id === network.id) await replaceWayOut(deps, container, run);
      await bounded(run.running.updateFiles(managedFiles(deps, container)), deps.limits.callMs, 'rewriting /etc/hosts');
      await save(deps, container, '');
    }
    emitNetwork(deps, network, 'disconnect', container.id);
  });
}

/**
 * Makes the networks of a machine those of its row: a change of them failed, or a daemon died in the middle of one.
 * Idempotent.
 */
export async function settleNetworks(deps: Deps, container: Container, running: RunningContainer): Promise<void> {
  const wanted = nics(deps, container);
  for (const id of running.networkIds()) {
    if (!wanted.some(({ networkId }) => networkId === id)) await bounded(running.disconnectNetwork(id), deps.limits.callMs, 'leaving the network');
  }
  for (const nic of wanted) await bounded(running.connectNetwork(nic), deps.limits.callMs, 'joining the network');
  await bounded(running.updateFiles(managedFiles(deps, container)), deps.limits.callMs, 'rewriting /etc/hosts');
}

/** The network with the default route is gone: the next one that leads out takes over. */
async function replaceWayOut(deps: Deps, container: Container, run: Run): Promise<void> {
  const next = wayOut(deps, container);
  if (next !== undefined) {
    const nic = deps.networking.nic(next.network, next.endpoint, next.nic, true);
    await bounded(run.running.connectNetwork(nic), deps.limits.callMs, 'replacing the default route');
  }
  await movePorts(deps, container);
}

/** Published ports follow the way out, and keep their numbers. The caller writes them down. */
async function movePorts(deps: Deps, container: Container): Promise<void> {
  if (container.definition.ports.length === 0) return;
  const { publications } = container;
  await bounded(deps.networking.unpublish(container.id), deps.limits.callMs, 'closing ports');
  container.publications = await bounded(publish(deps, container, publications), deps.limits.callMs, 'opening ports');
}
