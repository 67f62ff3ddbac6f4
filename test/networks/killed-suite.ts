import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import type { Berth } from '../berth/index.ts';

const count = 100;

/** By the API itself: two hundred docker commands would measure the client. Gives the status. */
function call(berth: Berth, method: 'POST' | 'DELETE', path: string, body?: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const asked = request({ socketPath: berth.docker.socketPath, method, path, headers, timeout: 30_000 }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.once('error', reject);
    asked.end(body === undefined ? '' : JSON.stringify(body));
  });
}

/** Bridges of the instance. */
async function bridges(berth: Berth): Promise<string[]> {
  return (await berth.survey()).links.filter((name) => name === `${berth.prefix}0` || name.startsWith(`${berth.prefix}-`)).sort();
}

async function expectedBridges(berth: Berth): Promise<string[]> {
  const ids = (await berth.docker.ok(['network', 'ls', '--no-trunc', '--format', '{{.ID}} {{.Name}}'])).split('\n').map((line) => line.split(' '));
  return ids.flatMap(([id = '', name]) => (name === 'none' ? [] : [name === 'bridge' ? `${berth.prefix}0` : `${berth.prefix}-${id.slice(0, 8)}`])).sort();
}

export function killed(open: () => Berth): void {
  test(`${count} networks made and removed at once leave nothing`, async (t) => {
    const berth = open();
    const before = await bridges(berth);
    const names = Array.from({ length: count }, (_, index) => `many${index}`);
    const make = (Name: string, index: number) =>
      call(berth, 'POST', '/networks/create', { Name, IPAM: { Config: [{ Subnet: `10.77.${index}.0/24` }] }, EnableIPv6: index % 4 === 0 });
    const begun = performance.now();
    assert.deepEqual(new Set(await Promise.all(names.map(make))), new Set([201]));
    const made = performance.now();
    assert.equal((await bridges(berth)).length, before.length + count);
    assert.deepEqual(await bridges(berth), await expectedBridges(berth));
    // All are asked for at once, by two clients each: one of them removes it.
    const removals = await Promise.all([...names, ...names].map((name) => call(berth, 'DELETE', `/networks/${name}`)));
    t.diagnostic(`made in ${Math.round(made - begun)} ms, looked at and removed in ${Math.round(performance.now() - made)} ms`);
    assert.deepEqual(removals.sort(), [...Array.from({ length: count }, () => 204), ...Array.from({ length: count }, () => 404)]);
    assert.deepEqual(await bridges(berth), before);
  });

  test('connects and disconnects while the daemon is killed: rows, bridges and links agree, and the container is reached', async () => {
    const berth = open();
    const { docker } = berth;
    const nets = ['storm0', 'storm1'];
    for (const [index, net] of nets.entries()) await docker.ok(['network', 'create', '--subnet', `10.78.${index}.0/24`, net]);
    await docker.ok(['run', '-d', '--name', 'stormy', 'busybox', 'sleep', '100000']);
    for (let round = 0; round < 2; round += 1) {
      let ended = false;
      const storm = nets.map(async (net) => {
        while (!ended)
          for (const verb of ['connect', 'disconnect']) await call(berth, 'POST', `/networks/${net}/${verb}`, { Container: 'stormy' }).catch(() => 0);
      });
      await new Promise((resolve) => setTimeout(resolve, 700 + round * 400));
      await berth.kill();
      ended = true;
      await Promise.all(storm);
      await berth.start();
      assert.deepEqual(await bridges(berth), await expectedBridges(berth));
    }
    // Whichever way the last change went, the next ones go through, and the guest has what inspect says.
    for (const net of nets) await call(berth, 'POST', `/networks/${net}/disconnect`, { Container: 'stormy' });
    for (const net of nets) assert.equal(await call(berth, 'POST', `/networks/${net}/connect`, { Container: 'stormy' }), 200);
    const told = JSON.parse(await docker.ok(['inspect', '-f', '{{json .NetworkSettings.Networks}}', 'stormy'])) as Record<string, { IPAddress: string }>;
    const inside = await docker.ok(['exec', 'stormy', 'sh', '-c', `ip -o -4 addr show scope global | tr -s ' /' ' ' | cut -d' ' -f4`]);
    assert.deepEqual(
      inside.split('\n').sort(),
      Object.values(told)
        .map(({ IPAddress }) => IPAddress)
        .sort(),
    );
    await docker.ok(['rm', '-f', 'stormy']);
    await docker.ok(['network', 'rm', ...nets]);
  });
}
