/** `npm start`, `npm run status` and `npm run stop` as a user meets them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../oracle/index.ts';
import { StartedInstance } from './instance.ts';

const limit = { timeout: 300_000 };

describe('an instance from its first start to its end', () => {
  let instance: StartedInstance;
  before(async () => {
    instance = await StartedInstance.open();
  });
  after(async () => {
    await instance[Symbol.asyncDispose]();
  });

  test('the first start checks itself and prints the lines to use', limit, async () => {
    const { code, output } = await instance.command('start', '--detach');
    assert.equal(code, 0, output);
    assert.match(output, /✔ self-check .*berth\/hello started in \d+ ms/);
    assert.ok(output.includes(`docker -H unix://${instance.runDirectory}/default.sock run --rm berth/hello`), output);
    assert.match(output, /docker context create \S+ --docker host=unix:/);
    assert.match(output, /Isolation: (hardware virtualization|software emulation)/);
  });

  test('what was printed works', limit, async () => {
    assert.match(await instance.docker.ok(['run', '--rm', 'berth/hello']), /\S/);
    assert.equal(await instance.docker.ok(['run', '--rm', 'busybox', 'echo', 'from a machine of its own']), 'from a machine of its own');
  });

  test('status tells people and programs', limit, async () => {
    const facts = await instance.json('status');
    assert.equal(facts['running'], true);
    assert.equal(facts['answers'], true);
    assert.deepEqual(facts['containers'], { total: 0, running: 0, paused: 0, stopped: 0 });
    assert.match((await instance.command('status')).output, /^Berth \d+\.\d+\.\d+ runs: pid \d+/);
  });

  test('a start beside a running one says so and shows the lines', limit, async () => {
    const { code, output } = await instance.command('start');
    assert.equal(code, 0, output);
    assert.match(output, /already runs/);
    assert.match(output, /default\.sock run --rm berth\/hello/);
  });

  test('stop leaves containers running and says which; the next start does nothing twice and takes them up', limit, async () => {
    await instance.docker.ok(['run', '-d', '--name', 'stays', 'busybox', 'sleep', '1000']);
    const stopped = await instance.command('stop');
    assert.equal(stopped.code, 0, stopped.output);
    assert.match(stopped.output, /1 container keeps running without the daemon: stays/);
    assert.match((await instance.command('status')).output, /not running[\s\S]*1 virtual machines? of it/);

    // How many seconds is for the benchmark to say; here, that nothing is done twice.
    const again = await instance.command('start', '--detach');
    assert.equal(again.code, 0, again.output);
    assert.match(again.output, /✔ system packages .*nothing missing/);
    assert.match(again.output, /✔ npm packages .*nothing missing/);
    assert.match(again.output, /✔ guest .*up to date/);
    assert.doesNotMatch(again.output, /preparing the template/);
    assert.equal(await instance.docker.ok(['exec', 'stays', 'echo', 'here']), 'here');
  });

  test('a killed daemon’s socket is replaced, and its containers are taken up', limit, async () => {
    const facts = await instance.json('status');
    process.kill(Number(facts['pid']), 'SIGKILL');
    await until('the daemon is gone', 10_000, async () => (await instance.json('status'))['running'] === false);
    assert.ok(existsSync(join(instance.runDirectory, 'default.sock')));
    const { code, output } = await instance.command('start', '--detach');
    assert.equal(code, 0, output);
    assert.equal(await instance.docker.ok(['exec', 'stays', 'echo', 'here']), 'here');
  });

  test('in the foreground, Ctrl-C ends the daemon and says what goes on', limit, async () => {
    assert.equal((await instance.command('stop')).code, 0);
    const run = instance.spawn('start');
    await until('it is ready', 60_000, () => run.output().includes('Ctrl-C ends the daemon'));
    run.child.kill('SIGINT');
    const { code, output } = await run.ended;
    assert.equal(code, 0, output);
    assert.match(output, /1 container keeps running without the daemon: stays\.\n‘npm start -- .*’ takes it up again; ‘npm run stop -- --all .*’ ends it/);
  });

  test('stop --all ends what outlived the daemon, and nothing is left', limit, async () => {
    const { code, output } = await instance.command('stop', '--all');
    assert.equal(code, 0, output);
    assert.match(output, /containers +\S+ s +1 ended/);
    const facts = await instance.json('status');
    assert.deepEqual([facts['running'], facts['virtualMachines']], [false, 0]);
    assert.ok(!existsSync(join(instance.runDirectory, 'default.sock')));
    assert.match((await instance.command('stop')).output, /not running/);
  });
});

test('another program on the socket is left alone, with a clear word', limit, async () => {
  await using instance = await StartedInstance.open();
  await mkdir(instance.runDirectory, { recursive: true });
  const server = createServer((socket) => socket.resume().end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nOK'));
  await new Promise<void>((listening) => server.listen(join(instance.runDirectory, 'default.sock'), listening));
  try {
    const { code, output } = await instance.command('start', '--detach');
    assert.equal(code, 1);
    assert.match(output, /Another program answers on .*default\.sock/);
    assert.match(output, /--run-dir/);
  } finally {
    await new Promise((closed) => server.close(closed));
  }
});
