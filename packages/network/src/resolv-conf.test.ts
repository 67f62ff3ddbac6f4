import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolvConfText } from './resolv-conf.ts';

const host = '# made by hand\nnameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch lab.example example\noptions edns0 trust-ad\n';
const base = { servers: [], host, search: [], options: [], ownResolver: false };

test('a user network asks its own resolver, single names as they are', () => {
  assert.equal(
    resolvConfText({ ...base, servers: ['172.18.0.1'], ownResolver: true }),
    'nameserver 172.18.0.1\nsearch lab.example example\noptions edns0 trust-ad ndots:0\n',
  );
  assert.equal(
    resolvConfText({ ...base, host: '', servers: ['172.18.0.1'], ownResolver: true, options: ['ndots:3'] }),
    'nameserver 172.18.0.1\noptions ndots:3\n',
  );
});

test("without a server of ours the host's list is passed on, but not what only the host can reach", () => {
  assert.equal(resolvConfText(base), 'nameserver 9.9.9.9\nsearch lab.example example\noptions edns0 trust-ad\n');
  assert.equal(resolvConfText({ ...base, host: 'nameserver 127.0.0.53\n' }), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
});

test('what the user gives replaces what the host has; a dot means no search list', () => {
  assert.equal(
    resolvConfText({ ...base, servers: ['1.1.1.1', '1.0.0.1'], search: ['a.b', 'c'], options: ['rotate'] }),
    'nameserver 1.1.1.1\nnameserver 1.0.0.1\nsearch a.b c\noptions rotate\n',
  );
  assert.equal(resolvConfText({ ...base, search: ['.'], options: ['rotate'] }), 'nameserver 9.9.9.9\noptions rotate\n');
});
