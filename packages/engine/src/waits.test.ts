import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Waits } from './waits.ts';

const never = new AbortController().signal;

test('each condition resolves at its moment, once', async () => {
  const waits = new Waits();
  const told: string[] = [];
  const wait = (condition: 'not-running' | 'next-exit' | 'removed') =>
    waits.wait(condition, never).then(({ exitCode }) => told.push(`${condition} ${exitCode}`));
  const stopped = wait('not-running');
  const exited = wait('next-exit');
  const removed = wait('removed');
  waits.startFailed({ exitCode: 127 });
  await stopped;
  waits.exited({ exitCode: 3 });
  await exited;
  waits.removed({ exitCode: 3 });
  await removed;
  assert.deepEqual(told, ['not-running 127', 'next-exit 3', 'removed 3']);
});

test('a waiter that gives up is forgotten', async () => {
  const waits = new Waits();
  const abort = new AbortController();
  const waited = waits.wait('next-exit', abort.signal);
  abort.abort(new Error('gone'));
  await assert.rejects(waited, /gone/);
  await assert.rejects(waits.wait('removed', abort.signal), /gone/);
  waits.removed({ exitCode: 0 });
});
