import { bounded } from './bounded.ts';
import type { Container, Run } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { resumeHealth } from './health.ts';
import { next } from './lifecycle.ts';
import { save } from './save.ts';

/** Lets a frozen run go on; for whoever is in the container's queue, and knows that it is paused. */
export async function thaw(deps: Deps, container: Container, run: Run): Promise<void> {
  await bounded(run.running.unpause(), deps.limits.callMs, 'thawing');
  container.state = { ...container.state, phase: next(container.state.phase, 'unpaused') ?? container.state.phase };
  resumeHealth(deps, container, run);
  await save(deps, container, '');
  emitContainer(deps, container, 'unpause');
}
