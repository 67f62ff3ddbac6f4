import type { Limits } from '@berth/runtime';
import { bounded } from './bounded.ts';
import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { limitBelowUse, restartWithRemoval, updateRemoving } from './faults.ts';
import type { ContainerChange, ContainerDefinition } from './port.ts';
import { saveDefinition } from './save.ts';

/**
 * Gives a container other limits and another restart policy. The row comes first, with the intent; a daemon that dies before
 * the running process has the limits leaves it to the next one. What the machine has no room for leaves everything as it was.
 */
export function updateContainer(deps: Deps, container: Container, change: ContainerChange): Promise<void> {
  return container.serial.run(async () => {
    const { definition } = container;
    if (container.gone || container.removing || container.state.phase === 'dead') throw updateRemoving(container.id);
    if (definition.autoRemove && change.restart !== undefined && change.restart.name !== 'no') throw restartWithRemoval();
    const changed = applied(definition, change);
    const run = container.current;
    if (run === undefined) await saveDefinition(deps, container, changed, '');
    else {
      await requireUnused(run.running, change.limits, limitsOf(definition), deps.limits.callMs);
      await saveDefinition(deps, container, changed, 'update');
      try {
        await bounded(run.running.updateLimits(change.limits), deps.limits.callMs, 'changing the limits');
      } catch (error) {
        await saveDefinition(deps, container, definition, '');
        throw error;
      }
      await saveDefinition(deps, container, changed, '');
    }
    container.definition = changed;
    emitContainer(deps, container, 'update');
  });
}

export function limitsOf({ memoryBytes, memorySwapBytes, cpus, pids }: ContainerDefinition): Limits {
  return {
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(memorySwapBytes === undefined ? {} : { memorySwapBytes }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(pids === undefined ? {} : { pids }),
  };
}

function applied(definition: ContainerDefinition, { limits, restart, personality }: ContainerChange): ContainerDefinition {
  const { memoryBytes: _memory, memorySwapBytes: _swap, cpus: _cpus, pids: _pids, ...rest } = definition;
  return { ...rest, ...limits, ...(restart === undefined ? {} : { restart }), personality };
}

/** A limit below what is in use would end processes instead of limiting them. */
async function requireUnused(
  running: { statistics(): Promise<{ memoryUsageBytes: number; memoryCacheBytes: number }> },
  limits: Limits,
  before: Limits,
  callMs: number,
): Promise<void> {
  const { memoryBytes } = limits;
  if (memoryBytes === undefined || memoryBytes >= (before.memoryBytes ?? Infinity)) return;
  const { memoryUsageBytes, memoryCacheBytes } = await bounded(running.statistics(), callMs, 'reading statistics');
  const usedBytes = memoryUsageBytes - memoryCacheBytes;
  if (usedBytes > memoryBytes) throw limitBelowUse(memoryBytes, usedBytes);
}
