import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Berth } from '../berth/index.ts';
import { importImage, pythonImage } from '../compose/images.ts';
import { Oracle, until } from '../oracle/index.ts';
import { client } from './sides.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

describe('libraries, and containers that talk to their daemon', { timeout: 840_000 }, () => {
  let berth: Berth;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bt-libraries-'));
    berth = await Berth.open();
    await importImage(berth.docker, pythonImage);
  });
  after(async () => {
    await berth?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('a container with the daemon’s socket starts a sibling and attaches to it', async () => {
    const said = await berth.docker.ok(
      [
        'run',
        '--rm',
        '--name',
        'elder',
        '-v',
        '/var/run/docker.sock:/var/run/docker.sock:ro',
        '-v',
        `${here('sibling.py')}:/s.py:ro`,
        pythonImage.name,
        'python3',
        '/s.py',
      ],
      { timeoutMs: 120_000 },
    );
    assert.deepEqual(JSON.parse(said), { mine: ['/elder'], created: 201, heard: '300000', ended: 6, removed: 204 });
  });

  test('another socket of the host, by its path; who may not open it there may not here', async () => {
    const path = join(folder, 'greeter');
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.once('data', (name) => socket.end(`hello ${name}`));
    }).listen(path);
    await once(server, 'listening');
    const program = 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("/run/greeter"); s.sendall(b"berth"); print(s.recv(100).decode())';
    const asked = (options: string[]) =>
      berth.docker.run(['run', '--rm', '-v', `${path}:/run/greeter`, ...options, pythonImage.name, 'python3', '-c', program], { timeoutMs: 120_000 });
    try {
      const [root, other] = await Promise.all([asked([]), asked(['-u', '1000'])]);
      assert.equal(root.stdout, 'hello berth\n');
      assert.match(other.stderr, /PermissionError/);
    } finally {
      server.close();
    }
  });

  test('when the daemon is killed its connections end, and the socket serves again with the next one', async () => {
    const { docker } = berth;
    await docker.ok([
      'run',
      '-d',
      '--name',
      'listener',
      '-v',
      '/var/run/docker.sock:/var/run/docker.sock',
      '-v',
      `${here('listener.py')}:/l.py:ro`,
      pythonImage.name,
      'python3',
      '-u',
      '/l.py',
    ]);
    const heard = (count: number) =>
      until(
        `${count} connections`,
        60_000,
        async () => (await docker.ok(['logs', 'listener'])).split('\n').filter((line) => line === 'connected').length === count,
      );
    await heard(1);
    await berth.kill();
    await berth.start();
    await heard(2);
    // Whoever was let in while nobody served waited: no connection was refused.
    assert.deepEqual((await docker.ok(['logs', 'listener'])).split('\n'), ['connected', 'ended', 'connected']);
    await docker.ok(['rm', '-f', 'listener']);
  });

  test('python3-docker, as on dockerd', async () => {
    const tell = async (daemon: Berth | Oracle) => JSON.parse(await client(daemon, '/usr/bin/python3', [here('docker-sdk.py')])) as Record<string, unknown>;
    await using oracle = await Oracle.open();
    const [told, expected] = [await tell(berth), await tell(oracle)];
    assert.deepEqual(told, expected);
  });
});
