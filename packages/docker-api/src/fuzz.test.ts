import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openTestApi } from './stand-ins/test-api.ts';

const paths = [
  '/containers/create',
  '/containers/ID/exec',
  '/containers/ID/resize?h=1&w=WORD',
  '/containers/ID/kill?signal=WORD',
  '/containers/ID/rename?name=WORD',
  '/containers/json?filters=JSON',
  '/containers/json?limit=WORD',
  '/containers/ID/logs?stdout=1&tail=WORD&since=WORD&until=WORD',
  '/containers/WORD/json',
  '/containers/ID/top?ps_args=WORD',
  '/containers/ID/stats?stream=0&one-shot=1',
  '/containers/ID/attach?detachKeys=WORD',
  '/containers/prune?filters=JSON',
  '/images/json?filters=JSON',
  '/images/WORD/json',
  '/images/WORD/history',
  '/images/WORD/tag?repo=WORD&tag=WORD',
  '/images/create?fromImage=WORD&tag=WORD',
  '/images/get?names=WORD',
  '/networks',
  '/networks/WORD',
  '/networks?filters=JSON',
  '/networks/create',
  '/networks/WORD/connect',
  '/networks/WORD/disconnect',
  '/networks/prune?filters=JSON',
  '/events?since=1&until=2&filters=JSON',
  '/exec/WORD/start',
  '/exec/WORD/json',
  '/WORD',
  '/vWORD/info',
  '/volumes/WORD',
  '/info',
];
const names = [
  'Image',
  'Cmd',
  'Env',
  'HostConfig',
  'PortBindings',
  'NetworkingConfig',
  'EndpointsConfig',
  'Name',
  'Driver',
  'IPAM',
  'Config',
  'Container',
  'Tmpfs',
  'Ulimits',
  'Memory',
  'ExposedPorts',
];

/** Bodies that look a little like Docker's. */
const body = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>('busybox', 'true', '', null, 0, -1, 1e99, true, '80/tcp', '../..', '\u0000', 'a'.repeat(300)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names, 'x', '80/tcp', '__proto__'), tie('value'), { maxKeys: 5 }),
  ),
})).value;

const word = fc.oneof(
  fc.constantFrom('', '0', '-1', 'busybox', 'bridge', '..', '%', '%00', '{', '99999999999999999999', 'SIGKILL', '1h'),
  fc.string({ maxLength: 12 }),
);

test('whatever is asked, the answer has a status and a sentence, and none is an accident', { timeout: 120_000 }, async () => {
  await using api = await openTestApi();
  const id = await api.run(['sleep', '1000'], { Tty: true });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'POST', 'DELETE', 'PUT'),
      fc.constantFrom(...paths),
      word,
      fc.json(),
      body,
      async (method, path, text, json, value) => {
        const filled = path.replaceAll('WORD', encodeURIComponent(text)).replaceAll('JSON', encodeURIComponent(json)).replaceAll('ID', id);
        if (method === 'DELETE' && path.includes('ID')) return;
        const answer = await api.call(method, filled, method === 'GET' ? undefined : value);
        const expected = answer.status < 500 || answer.status === 501 || answer.status === 503;
        assert.ok(expected, `${method} ${filled} ${JSON.stringify(value)}: ${answer.status} ${answer.text}`);
        if (answer.status >= 400) assert.equal(typeof answer.json<{ message: unknown }>().message, 'string');
      },
    ),
    { numRuns: 500 },
  );
  assert.equal((await api.call('GET', '/_ping')).status, 200);
});
