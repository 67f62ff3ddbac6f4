import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limiter } from './limiter.ts';

test('no more than allowed run at once; who is urgent goes first', async () => {
  const limiter = new Limiter(2);
  const order: string[] = [];
  const gates: (() => void)[] = [];
  let running = 0;
  let most = 0;
  const work = (name: string) => async () => {
    most = Math.max(most, ++running);
    order.push(name);
    await new Promise<void>((resolve) => gates.push(resolve));
    running--;
  };
  const all = [
    limiter.run(work('a'), { urgent: false }),
    limiter.run(work('b'), { urgent: false }),
    limiter.run(work('patient'), { urgent: false }),
    limiter.run(work('urgent'), { urgent: true }),
  ];
  for (let released = 0; released < 4; released++) {
    while (gates.length === 0) await new Promise((resolve) => setImmediate(resolve));
    gates.shift()?.();
  }
  await Promise.all(all);
  assert.equal(most, 2);
  assert.deepEqual(order, ['a', 'b', 'urgent', 'patient']);
});

test('who gives up waiting leaves the queue, and its place goes to the next', async () => {
  const limiter = new Limiter(1);
  let open: () => void = () => undefined;
  const first = limiter.run(() => new Promise<void>((resolve) => (open = resolve)), { urgent: true });
  const stop = new AbortController();
  const second = limiter.run(async () => assert.fail('it had given up'), { urgent: true, signal: stop.signal });
  const third = limiter.run(async () => 'third', { urgent: true });
  stop.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  open();
  await first;
  assert.equal(await third, 'third');
});
