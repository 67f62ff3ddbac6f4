import { newId, shortId } from '@berth/kit';
import { Container, type EndpointSettings } from './container.ts';
import { type Deps, runtimeNamed } from './deps.ts';
import { emitContainer } from './emit.ts';
import { commandMissing } from './faults.ts';
import { checkedName, randomName } from './names.ts';
import { resolveRequests } from './network-requests.ts';
import type { ContainerDefinition, NewContainer } from './port.ts';
import { checkBinds } from './volumes/mounts.ts';

/** Writes a container down; nothing runs yet. The runtime is told, so that it can have a machine ready for the start. */
export async function createContainer(deps: Deps, request: NewContainer): Promise<{ id: string; warnings: string[] }> {
  if (request.args.length === 0) throw commandMissing();
  const runtime = runtimeNamed(deps, request.runtime);
  const image = deps.images.get(request.imageId);
  const endpoints: readonly EndpointSettings[] = resolveRequests(deps, request.networks);
  const id = newId();
  const name = takeName(deps, id, request.name);
  const hostname = request.hostname === '' ? shortId(id) : request.hostname;
  const { mounts, unsettled } = await (async () => {
    await checkBinds(deps, request.mounts);
    return await deps.volumes.acquire(id, request.mounts);
  })().catch((error: unknown) => {
    deps.registry.freeName(name, id);
    throw error;
  });
  const definition: ContainerDefinition = {
    ...request,
    id,
    name,
    runtime: runtime.name,
    hostname,
    mounts,
    // Only here is the name known; Docker sets the variable unless the user or the image did.
    env: request.env.some((entry) => entry.startsWith('HOSTNAME=')) ? request.env : [...request.env, `HOSTNAME=${hostname}`],
    createdAtMs: deps.clock.nowMs(),
  };
  const container = new Container(definition, deps.stateDirectory, deps.clock);
  container.endpoints = endpoints;
  try {
    await deps.rows.insert(container, unsettled);
    try {
      deps.images.lease(image, id);
    } catch (error) {
      await deps.rows.delete(id);
      throw error;
    }
  } catch (error) {
    await deps.volumes.abandon(id, unsettled).catch(() => undefined);
    deps.registry.freeName(name, id);
    throw error;
  }
  deps.registry.add(container);
  if (request.buildStep !== true) warm(deps, container);
  emitContainer(deps, container, 'create');
  return { id, warnings: [] };
}

/** Tells the runtime that this container is likely to be started. */
export function warm(deps: Deps, container: Container): void {
  const { memoryBytes, cpus, imageId, runtime } = container.definition;
  runtimeNamed(deps, runtime).warm({
    rootfs: deps.images.rootfs(deps.images.get(imageId)),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(cpus === undefined ? {} : { cpus }),
  });
}

function takeName(deps: Deps, id: string, wanted: string | undefined): string {
  let name = wanted === undefined || wanted === '' ? undefined : checkedName(wanted);
  for (let attempt = 0; name === undefined; attempt += 1) {
    const candidate = randomName(attempt);
    if (!deps.registry.isTaken(candidate)) name = candidate;
  }
  deps.registry.takeName(name, id);
  return name;
}
