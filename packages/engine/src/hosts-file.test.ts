import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostsFile } from './hosts-file.ts';

test('names, extra hosts and addresses are each on a line', () => {
  const text = hostsFile({
    hostname: 'web',
    domainname: 'example.org',
    addresses: ['172.17.0.2', '10.0.0.9'],
    extraHosts: ['db:10.1.2.3', 'six:[fd00::5]', 'seven:fd00::7', 'host.docker.internal:host-gateway'],
    hostGateway: '172.17.0.1',
  });
  assert.deepEqual(text.split('\n').slice(6), [
    '10.1.2.3\tdb',
    'fd00::5\tsix',
    'fd00::7\tseven',
    '172.17.0.1\thost.docker.internal',
    '172.17.0.2\tweb.example.org web',
    '10.0.0.9\tweb.example.org web',
    '',
  ]);
  assert.match(text, /^127\.0\.0\.1\tlocalhost\n::1\tlocalhost /);
});

test('without a network the gateway has no address, and so no line', () => {
  assert.doesNotMatch(hostsFile({ hostname: 'a', domainname: '', addresses: [], extraHosts: ['h:host-gateway'], hostGateway: undefined }), /\th\n/);
});
