import assert from 'node:assert/strict';
import type { Define } from './subject.ts';

export function removalTests(define: Define): void {
  define('destroying ends the process, can be repeated, and keeps the writable layer until removal', async (trial) => {
    const spec = trial.spec(['sleep', '1000']);
    const { container } = await trial.start(spec);
    await container.destroy();
    await container.destroy();
    assert.notEqual((await container.exited).exitCode, 0);
    assert.ok((await trial.runtime.list()).includes(spec.id));
    await trial.runtime.remove(spec.id);
    await trial.runtime.remove(spec.id);
    assert.ok(!(await trial.runtime.list()).includes(spec.id));
  });

  define('leftovers of a dead daemon are ended by id', async (trial) => {
    const spec = trial.spec(['sleep', '1000']);
    await trial.start(spec);
    const runtime = await trial.subject.reopen();
    assert.ok((await runtime.list()).includes(spec.id));
    await runtime.stopLeftovers(spec.id);
    await runtime.stopLeftovers(spec.id);
    await runtime.remove(spec.id);
    assert.ok(!(await runtime.list()).includes(spec.id));
  });

  define('a sweep ends what nobody knows and leaves what is known', async (trial) => {
    const known = trial.spec(['sleep', '1000']);
    const unknown = trial.spec(['sleep', '1000']);
    await trial.start(known);
    await trial.start(unknown);
    const runtime = await trial.subject.reopen();
    await runtime.sweep(new Set([known.id]));
    const ids = await runtime.list();
    assert.ok(ids.includes(known.id) && !ids.includes(unknown.id));
  });
}
