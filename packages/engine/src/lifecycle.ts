import type { ContainerPhase } from './port.ts';

/** What can happen to a container. `docs/design/container-lifecycle.md` draws it. */
export type LifecycleEvent = 'started' | 'paused' | 'unpaused' | 'exited' | 'restart-due' | 'given-up' | 'removal-begun' | 'removal-failed';

const table: Readonly<Record<LifecycleEvent, Partial<Record<ContainerPhase, ContainerPhase>>>> = {
  started: { created: 'running', exited: 'running', restarting: 'running' },
  paused: { running: 'paused' },
  unpaused: { paused: 'running' },
  exited: { running: 'exited', paused: 'exited' },
  'restart-due': { running: 'restarting', paused: 'restarting', exited: 'restarting' },
  'given-up': { restarting: 'exited' },
  'removal-begun': { created: 'removing', exited: 'removing', dead: 'removing', removing: 'removing' },
  'removal-failed': { removing: 'dead' },
};

/** The phase after an event; `undefined` when the event has no place in that phase. */
export function next(phase: ContainerPhase, event: LifecycleEvent): ContainerPhase | undefined {
  return table[event][phase];
}

/** Whether a process exists. */
export function isAlive(phase: ContainerPhase): boolean {
  return phase === 'running' || phase === 'paused';
}
