import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Container } from '../container.ts';
import type { Deps } from '../deps.ts';
import type { BindPoint } from './port.ts';
import { doorOf, socketMount } from './sockets.ts';

const bind = (source: string, target = '/s'): BindPoint => ({
  type: 'bind',
  source,
  target,
  readonly: true,
  recursive: true,
  createSource: true,
  mode: 'ro',
});

test('Docker’s own name means the endpoint; other sockets mean themselves; and nothing else can be reached', { timeout: 10_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bt-sockets-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = (name: string) => join(folder, name);
  const said = ['endpoint', 'other'];
  for (const name of said) {
    const server = createServer((socket) => socket.end(name)).listen(path(name));
    await once(server, 'listening');
    t.after(() => server.close());
  }
  chmodSync(path('other'), 0o640);
  // What these functions take of all that the engine's parts share.
  const served = Promise.withResolvers<void>();
  const deps = { endpoint: { path: path('endpoint'), served: served.promise } } as Deps;
  const mounts = [bind('/var/run/docker.sock', '/var/run/docker.sock'), bind(path('other'), '/other'), bind(folder, '/folder')];
  const found = await Promise.all(mounts.map((mount) => socketMount(deps, mount)));
  assert.deepEqual(
    found.map((mount) => mount?.target),
    ['/var/run/docker.sock', '/other', undefined],
  );
  assert.deepEqual(found[1], { type: 'socket', target: '/other', readonly: true, mode: 0o640, owner: 0, group: 0 });
  const door = doorOf(deps, { definition: { mounts } } as unknown as Container);
  const hear = async (target: string) => {
    const socket = door(target);
    if (socket === undefined) return undefined;
    socket.end();
    return Buffer.concat(await socket.toArray()).toString();
  };
  const early = hear('/var/run/docker.sock');
  setTimeout(() => served.resolve(), 50);
  assert.equal(await early, 'endpoint');
  assert.equal(await hear('/var/run/docker.sock'), 'endpoint');
  assert.equal(await hear('/other'), 'other');
  assert.equal(await hear('/never'), undefined);
});
