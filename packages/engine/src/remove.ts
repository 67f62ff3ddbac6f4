import { bounded } from './bounded.ts';
import type { Container } from './container.ts';
import { runtimeOf, type Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { filesRemoving, removalInProgress, removePaused, removeRunning } from './faults.ts';
import { next } from './lifecycle.ts';
import { killRun } from './kill.ts';
import { save } from './save.ts';
import { wantStopped } from './want-stopped.ts';

export interface RemoveOptions {
  readonly reference: string;
  readonly force: boolean;
  /** With the volumes that were made for it alone. */
  readonly volumes: boolean;
}

/**
 * Removes a container with its writable layer and log. With `force` a running one is killed first and a start in progress
 * given up. Faults: `running`, `paused`, `removing`.
 */
export async function removeContainer(deps: Deps, container: Container, options: RemoveOptions): Promise<void> {
  if (container.removing) throw removalInProgress(options.reference);
  const { phase } = container.state;
  if (!options.force && phase === 'paused') throw removePaused(container.name);
  if (!options.force && phase === 'restarting') throw removeRunning(container.name, phase);
  if (!options.force && (phase === 'running' || container.starting !== undefined)) throw removeRunning(container.name);
  container.removing = true;
  container.keep += 1;
  try {
    container.starting?.abort();
    await container.serial.idle();
    if (container.gone) return;
    await wantStopped(deps, container);
    if (container.current !== undefined) await killRun(deps, container, container.current);
    await container.serial.run(() => removeNow(deps, container, { volumes: options.volumes || container.definition.autoRemove }));
    await deps.rows.flush();
  } finally {
    container.keep -= 1;
    container.removing = false;
  }
}

/** The removal itself, in the container's queue; nothing of it runs. A failure leaves it `dead`, to be removed again. */
export async function removeNow(deps: Deps, container: Container, { volumes }: { readonly volumes: boolean }): Promise<void> {
  if (container.gone) return;
  const { phase } = container.state;
  const removing = next(phase, 'removal-begun');
  if (removing === undefined) throw removeRunning(container.name);
  const intent = volumes ? 'remove-volumes' : '';
  container.state = { ...container.state, phase: removing };
  try {
    if (phase !== 'removing') await save(deps, container, intent);
    await bounded(container.filesInUse.end(filesRemoving(container.name)), deps.limits.callMs, 'ending copies');
    await bounded(container.lingering?.destroy() ?? Promise.resolve(), deps.limits.callMs, 'ending the virtual machine');
    await bounded(runtimeOf(deps, container).remove(container.id), deps.limits.callMs, 'removing the writable layer');
    await container.log.remove();
    deps.images.unlease(container.id);
    await deps.volumes.leave(container.id, container.definition.mounts, { anonymous: volumes }, (doomed) => deps.rows.delete(container.id, doomed));
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    container.state = { ...container.state, phase: 'dead', error: sentence };
    await save(deps, container, intent).catch(() => undefined);
    throw error;
  }
  container.gone = true;
  deps.registry.delete(container);
  container.log.endRun(Infinity);
  container.renewBegun();
  emitContainer(deps, container, 'destroy');
  container.waits.removed({ exitCode: container.state.exitCode });
}
