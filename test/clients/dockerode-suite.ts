import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import Docker from 'dockerode';
import type { Sides } from './sides.ts';

const limit = { timeout: 120_000 };

/** What programs do: the flows of a library. */
export function dockerodeSuite(sides: Sides): void {
  describe('dockerode on Berth', { timeout: 1200_000 }, () => {
    let docker: Docker;
    before(() => {
      docker = new Docker({ socketPath: sides.berth.docker.socketPath });
    });
    after(async () => {
      const left = await docker.listContainers({ all: true });
      await Promise.all(left.map(({ Id }) => docker.getContainer(Id).remove({ force: true })));
    });

    test('ping, version, info', limit, async () => {
      assert.equal(String(await docker.ping()), 'OK');
      assert.equal((await docker.version()).ApiVersion, '1.50');
      assert.equal(((await docker.info()) as { OSType: string }).OSType, 'linux');
    });

    test('run gives output and exit code', limit, async () => {
      const out = new PassThrough();
      const text = buffer(out);
      const [result] = (await docker.run('busybox', ['sh', '-c', 'echo out; exit 5'], out, { HostConfig: { AutoRemove: true } })) as [{ StatusCode: number }];
      out.end();
      assert.equal(result.StatusCode, 5);
      assert.equal(String(await text).trim(), 'out');
    });

    test('create, attach with hijacked input, start, wait, logs, remove', limit, async () => {
      const container = await docker.createContainer({
        Image: 'busybox',
        Cmd: ['sh', '-c', 'cat; echo err >&2'],
        OpenStdin: true,
        StdinOnce: true,
        name: 'dockerode-cat',
      });
      const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const texts = Promise.all([buffer(stdout), buffer(stderr)]);
      container.modem.demuxStream(stream, stdout, stderr);
      const ended = once(stream, 'end');
      await container.start();
      stream.write('to the container');
      stream.end();
      await ended;
      stdout.end();
      stderr.end();
      assert.deepEqual((await texts).map(String), ['to the container', 'err\n']);
      assert.deepEqual(await container.wait(), { StatusCode: 0 });
      const logs = await container.logs({ stdout: true, stderr: false });
      assert.equal(logs.subarray(8).toString(), 'to the container');
      const { State } = await container.inspect();
      assert.equal(State.Status, 'exited');
      await container.remove();
      await assert.rejects(container.inspect(), { statusCode: 404 });
    });

    test('exec with hijacked input and its exit code', limit, async () => {
      const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'], Labels: { flow: 'exec' } });
      await container.start();
      const exec = await container.exec({ Cmd: ['sh', '-c', 'cat; exit 6'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
      const stream = await exec.start({ hijack: true, stdin: true });
      const out = new PassThrough();
      const text = buffer(out);
      container.modem.demuxStream(stream, out, out);
      const ended = once(stream, 'end');
      stream.end('into the exec');
      await ended;
      out.end();
      assert.equal(String(await text), 'into the exec');
      assert.equal((await exec.inspect()).ExitCode, 6);
      const found = await docker.listContainers({ filters: { label: ['flow=exec'] } });
      assert.deepEqual(
        found.map(({ Id }) => Id),
        [container.id],
      );
      await container.remove({ force: true });
    });

    test('following logs and statistics end when they are given up', limit, async () => {
      const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'while :; do echo tick; sleep 0.05; done'] });
      await container.start();
      const logs = (await container.logs({ follow: true, stdout: true })) as unknown as Readable;
      await once(logs, 'data');
      logs.destroy();
      const stats = (await container.stats({ stream: true })) as unknown as Readable;
      const [sample] = await once(stats, 'data');
      assert.equal((JSON.parse(String(sample)) as { id: string }).id, container.id);
      stats.destroy();
      assert.equal((await container.inspect()).State.Running, true);
      await container.stop({ t: 0 });
      await container.remove();
    });

    test('events of a life, in order', limit, async () => {
      const events = (await docker.getEvents({ filters: { type: ['container'] } })) as unknown as Readable;
      const actions: string[] = [];
      let rest = '';
      events.on('data', (part: Buffer) => {
        const lines = (rest + String(part)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) actions.push((JSON.parse(line) as { Action: string }).Action);
        if (actions.includes('destroy')) events.destroy();
      });
      const closed = once(events, 'close');
      const container = await docker.createContainer({ Image: 'busybox', Cmd: ['true'] });
      await container.start();
      await container.wait();
      await container.remove();
      await closed;
      assert.deepEqual(actions, ['create', 'start', 'die', 'destroy']);
    });

    test('images: inspect, tag, save, load, import, remove', limit, async () => {
      const image = docker.getImage('busybox');
      const { Id } = await image.inspect();
      await image.tag({ repo: 'dockerode/copy', tag: 'one' });
      const archive = await buffer(await docker.getImage('dockerode/copy:one').get());
      assert.ok(archive.length > 1_000_000);
      await docker.getImage('dockerode/copy:one').remove();
      const loading = (await docker.loadImage(Readable.from([archive]))) as unknown as Readable;
      const said = String(await buffer(loading));
      assert.match(said, /Loaded image: dockerode\/copy:one/);
      assert.equal((await docker.getImage('dockerode/copy:one').inspect()).Id, Id);
      await docker.getImage('dockerode/copy:one').remove();
      await assert.rejects(docker.getImage('dockerode/copy:one').inspect(), { statusCode: 404 });
      await assert.rejects(docker.pull('localhost:1/busybox:later'), /connect: connection refused/);
    });

    test('networks: create, inspect, list, remove', limit, async () => {
      const network = await docker.createNetwork({
        Name: 'dockerode-net',
        Labels: { flow: 'net' },
        IPAM: { Driver: 'default', Config: [{ Subnet: '10.111.0.0/16' }] },
      });
      const seen = await network.inspect();
      assert.equal(seen.IPAM?.Config?.[0]?.Subnet, '10.111.0.0/16');
      assert.deepEqual(
        (await docker.listNetworks({ filters: { label: ['flow=net'] } })).map(({ Name }) => Name),
        ['dockerode-net'],
      );
      await network.remove();
      await assert.rejects(network.inspect(), { statusCode: 404 });
    });
  });
}
