import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createContainerSchema,
  Filters,
  humanDuration,
  matchesName,
  parseContainerPorts,
  parseDuration,
  parseHostPort,
  parseMoment,
  parseSignal,
  readJson,
  requireSignal,
  rfc3339,
  rfc3339NanoFixed,
} from './index.ts';

const create = (text: string) => readJson(createContainerSchema, text, 'ContainerConfigWrapper');

test('bodies are read as Go reads them', () => {
  const body = create(
    '{"image":"busybox","CMD":"true","env":null,"labels":null,"foo":[1],"hostconfig":{"portbindings":{"80/tcp":null},"capadd":null}} trailing',
  );
  assert.equal(body.Image, 'busybox');
  assert.deepEqual(body.Cmd, ['true']);
  assert.deepEqual(body.Env, []);
  assert.deepEqual(body.HostConfig?.PortBindings, { '80/tcp': [] });
  assert.equal(body.HostConfig?.CapAdd, undefined);
  assert.equal(create('{"Cmd":[]}').Cmd?.length, 0);
  assert.equal(create('null').Image, '');
  assert.equal(create('{"image":"a","Image":"b"}').Image, 'b');
});

test('what cannot be read is told in Go’s words', () => {
  const cases: [string, RegExp][] = [
    ['', /EOF/],
    ['{', /unexpected EOF/],
    ['{"Image":"x', /unexpected EOF/],
    ['junk', /invalid character 'j' looking for beginning of value/],
    ['[]', /cannot unmarshal array into Go value of type ContainerConfigWrapper/],
    ['7', /cannot unmarshal number into Go value/],
    ['{"Image":5}', /cannot unmarshal number into Go struct field ContainerConfigWrapper.Image of type string/],
    ['{"HostConfig":{"Memory":"x"}}', /cannot unmarshal string into Go struct field ContainerConfigWrapper.HostConfig.Memory of type int64/],
    ['{"HostConfig":{"Memory":1.5}}', /cannot unmarshal number 1.5 into Go struct field .* of type int64/],
    ['{"Tty":"yes"}', /cannot unmarshal string into Go struct field .*Tty of type bool/],
  ];
  for (const [text, message] of cases) assert.throws(() => create(text), { kind: 'invalid', message }, text);
});

test('any JSON is either read or refused with a fault', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      try {
        create(text);
      } catch (error) {
        assert.equal((error as { kind?: string }).kind, 'invalid');
      }
    }),
  );
});

test('filters in both spellings', () => {
  assert.deepEqual(Filters.parse('{"status":["exited","created"]}', ['status']).values('status'), ['exited', 'created']);
  assert.deepEqual(Filters.parse('{"status":{"exited":true,"created":false}}', ['status']).values('status'), ['exited']);
  assert.throws(() => Filters.parse('{"nope":["1"]}', ['status']), { message: "invalid filter 'nope'" });
  assert.throws(() => Filters.parse('junk', []), { code: 'filters-broken' });
  assert.throws(() => Filters.parse('{"dangling":["nope"]}', ['dangling']).boolean('dangling'), { message: "invalid filter 'dangling=nope'" });
  const labels = Filters.parse('{"label":["a","b=1"],"label!":["c"]}', ['label', 'label!']);
  assert.ok(labels.labels({ a: '', b: '1' }));
  assert.ok(!labels.labels({ a: '', b: '2' }));
  assert.ok(!labels.labels({ a: '', b: '1', c: '' }));
  assert.ok(matchesName('^we', 'web'));
  assert.ok(!matchesName('^eb', 'web'));
  assert.ok(!matchesName('(', 'web'));
});

test('moments and durations', () => {
  assert.equal(parseMoment('12.5', 0), 12_500_000_000n);
  assert.equal(parseMoment('1795183036.000000001', 0), 1_795_183_036_000_000_001n);
  assert.equal(parseMoment('10m', 600_000), 0n);
  assert.equal(parseMoment('1970-01-01T00:00:01.5Z', 0), 1_500_000_000n);
  assert.equal(parseMoment('1970-01-01T01:00:00+01:00', 0), 0n);
  assert.equal(parseMoment('1970-01-02', 0), 86_400_000_000_000n);
  assert.throws(() => parseMoment('nope', 0), { message: 'failed to parse value as time or duration: "nope"' });
  assert.equal(parseDuration('1h2m3.5s'), 3_723_500_000_000n);
  assert.equal(parseDuration('-2ms'), -2_000_000n);
  assert.equal(parseDuration('5'), undefined);
  assert.equal(rfc3339NanoFixed(1_500_000_001n), '1970-01-01T00:00:01.500000001Z');
  assert.equal(rfc3339(0), '0001-01-01T00:00:00Z');
  assert.equal(rfc3339(1500), '1970-01-01T00:00:01.5Z');
  assert.equal(rfc3339(2000), '1970-01-01T00:00:02Z');
});

test('durations for people', () => {
  const s = 1000;
  const cases: [number, string][] = [
    [0, 'Less than a second'],
    [s, '1 second'],
    [59 * s, '59 seconds'],
    [60 * s, 'About a minute'],
    [120 * s, '2 minutes'],
    [3600 * s, 'About an hour'],
    [5 * 3600 * s, '5 hours'],
    [50 * 3600 * s, '2 days'],
    [15 * 86_400 * s, '2 weeks'],
    [70 * 86_400 * s, '2 months'],
    [800 * 86_400 * s, '2 years'],
  ];
  for (const [ms, text] of cases) assert.equal(humanDuration(ms), text);
});

test('signals', () => {
  assert.deepEqual(['SIGTERM', 'term', 'KILL', '15', 'RTMIN', 'SIGRTMIN+3', 'rtmax-1'].map(parseSignal), [15, 15, 9, 15, 34, 37, 63]);
  for (const wrong of ['NOPE', '', '0', 'RTMIN+99', '-1', 'toString']) assert.throws(() => parseSignal(wrong), { code: 'signal-invalid' }, wrong);
  assert.throws(() => requireSignal(99), { message: 'The linux daemon does not support signal 99' });
});

test('ports', () => {
  assert.deepEqual(parseContainerPorts('80'), [{ port: 80, protocol: 'tcp' }]);
  assert.deepEqual(
    parseContainerPorts('7000-7002/udp').map(({ port }) => port),
    [7000, 7001, 7002],
  );
  for (const wrong of ['', 'x', '80/foo', '90-80', '70000', '-1', '80/tcp/udp'])
    assert.throws(() => parseContainerPorts(wrong), { code: 'port-invalid' }, wrong);
  assert.deepEqual(parseHostPort(''), { first: 0, last: 0 });
  assert.deepEqual(parseHostPort('8080-8090'), { first: 8080, last: 8090 });
  assert.throws(() => parseHostPort('x'), { code: 'port-invalid' });
});
