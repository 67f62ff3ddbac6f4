import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restartDelayMs, restartsAfterExit, startsWithDaemon, type RestartPolicy } from './restart-policy.ts';

const policy = (name: RestartPolicy['name'], maximumRetries = 0): RestartPolicy => ({ name, maximumRetries });
const ended = (exitCode: number, restartCount = 0, stopRequested = false) => ({ exitCode, restartCount, stopRequested });

test('the delay doubles from 100 ms to a minute, and begins again after a run of 10 s', () => {
  const delays: number[] = [];
  for (let before = 0, index = 0; index < 12; index += 1) delays.push((before = restartDelayMs(before, 50)));
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  assert.equal(restartDelayMs(60_000, 10_000), 100);
  assert.equal(restartDelayMs(800, 9_999), 1600);
});

test('who is restarted after an exit', () => {
  assert.ok(!restartsAfterExit(policy('no'), ended(1)));
  for (const name of ['always', 'unless-stopped'] as const) {
    assert.ok(restartsAfterExit(policy(name), ended(0)) && restartsAfterExit(policy(name), ended(1, 1000)));
    assert.ok(!restartsAfterExit(policy(name), ended(1, 0, true)));
  }
  assert.ok(!restartsAfterExit(policy('on-failure'), ended(0)));
  assert.ok(restartsAfterExit(policy('on-failure'), ended(1, 1000)));
  assert.ok(restartsAfterExit(policy('on-failure', 2), ended(1, 1)) && !restartsAfterExit(policy('on-failure', 2), ended(1, 2)));
});

test('who starts with the daemon', () => {
  assert.ok(!startsWithDaemon(policy('no'), ended(255)));
  assert.ok(startsWithDaemon(policy('always'), ended(0, 0, true)));
  assert.ok(startsWithDaemon(policy('unless-stopped'), ended(0)) && !startsWithDaemon(policy('unless-stopped'), ended(0, 0, true)));
  assert.ok(startsWithDaemon(policy('on-failure'), ended(255)) && !startsWithDaemon(policy('on-failure'), ended(0)));
});
