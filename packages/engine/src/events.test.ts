import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';
import { Events } from './events.ts';

const event = (action: string) => ({ type: 'container' as const, action, actorId: 'x', attributes: {} });
const never = new AbortController().signal;

test('since: the last 256 are remembered; until ends the stream', { timeout: 10_000 }, async () => {
  const clock = systemClock();
  const events = new Events(clock);
  for (let index = 0; index < 300; index += 1) events.emit(event(String(index)));
  const found: string[] = [];
  for await (const { action } of events.subscribe({ sinceNs: 0n, untilNs: clock.nowNs(), signal: never })) found.push(action);
  assert.equal(found.length, 256);
  assert.equal(found[0], '44');
});

test('live events reach all listeners, from the call on, until abort', { timeout: 10_000 }, async () => {
  const events = new Events(systemClock());
  const abort = new AbortController();
  events.emit(event('before'));
  const listeners = [events.subscribe({ signal: abort.signal }), events.subscribe({ signal: abort.signal })];
  events.emit(event('one'));
  const reading = listeners.map(async (listener) => {
    const found: string[] = [];
    for await (const { action } of listener) {
      found.push(action);
      if (action === 'two') abort.abort();
    }
    return found;
  });
  events.emit(event('two'));
  assert.deepEqual(await Promise.all(reading), [
    ['one', 'two'],
    ['one', 'two'],
  ]);
});

test('a listener that never reads is ended, not kept', { timeout: 10_000 }, async () => {
  const events = new Events(systemClock());
  const listener = events.subscribe({ signal: never });
  for (let index = 0; index < 6000; index += 1) events.emit(event(String(index)));
  let count = 0;
  for await (const _ of listener) count += 1;
  assert.ok(count <= 4097);
});

test('a time that lies ahead ends the stream when it comes', { timeout: 10_000 }, async () => {
  const clock = systemClock();
  const events = new Events(clock);
  const listener = events.subscribe({ untilNs: clock.nowNs() + 50_000_000n, signal: never });
  events.emit(event('now'));
  const found: string[] = [];
  for await (const { action } of listener) found.push(action);
  assert.deepEqual(found, ['now']);
});
