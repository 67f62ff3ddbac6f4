import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAlive, next, type LifecycleEvent } from './lifecycle.ts';
import type { ContainerPhase } from './port.ts';

const events: readonly LifecycleEvent[] = ['started', 'paused', 'unpaused', 'exited', 'removal-begun', 'removal-failed'];

test('whatever happens: nothing comes back from removal, and a run begins only by a start', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 30 }), (happened) => {
      let phase: ContainerPhase = 'created';
      for (const event of happened) {
        const after = next(phase, event);
        if (after === undefined) continue;
        if (phase === 'removing' || phase === 'dead') assert.ok(after === 'removing' || after === 'dead');
        if (!isAlive(phase) && isAlive(after)) assert.equal(event, 'started');
        if (isAlive(phase)) assert.ok(after !== 'removing' && after !== 'created', 'what runs exits before it is removed');
        phase = after;
      }
    }),
  );
});
