import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { assertSame } from './same.ts';
import type { Sides } from './sides.ts';
import { containerTree } from './trees.ts';

/** `docker cp` and what is mounted in a container. */
export function volumesSuite(sides: () => Sides): void {
  describe('docker cp and volumes', { timeout: 240_000 }, () => {
    test('a running container’s volumes are part of its files', async () => {
      const both = await sides().both(async (side) => {
        const { docker, host } = side;
        const source = join(host, 'bound');
        await mkdir(source, { recursive: true });
        await writeFile(join(source, 'theirs'), 'from the host\n');
        await docker.ok(['volume', 'create', 'cpv']);
        const mounts = ['-v', 'cpv:/m/named', '-v', `${source}:/m/named/bound`, '-v', `${source}:/ro:ro`, '--tmpfs', '/m/tmp'];
        const script = 'echo in >/m/named/x; mkdir -p /m/own; echo own >/m/own/y; touch -d @5 /m/named/x /m/own/y; echo hidden >/m/tmp/z; exec sleep 1000';
        await docker.ok(['run', '-d', '--name', 'cpv', ...mounts, 'busybox', 'sh', '-c', script]);
        // Its files are made before anything is copied.
        await docker.ok(['exec', 'cpv', 'sh', '-c', 'until [ -e /m/tmp/z ]; do sleep 0.1; done']);
        const said: string[] = [];
        const cp = async (...words: string[]) => {
          const { exitCode, stderr } = await docker.run(['cp', ...words]);
          said.push(`${words.join(' ').replaceAll(host, '@')}: ${exitCode} ${sides().normalise(stderr, side)}`);
        };
        await cp(join(source, 'theirs'), 'cpv:/m/named/put');
        await cp(join(source, 'theirs'), 'cpv:/m/named/bound/put');
        await cp(source, 'cpv:/m/own');
        await cp(join(source, 'theirs'), 'cpv:/ro/put');
        await cp(join(source, 'theirs'), 'cpv:/ro');
        await cp('cpv:/ro/theirs', join(host, 'got'));
        await cp('cpv:/m/named/missing', join(host, 'got'));
        const inside = await docker.ok(['exec', 'cpv', 'sh', '-c', 'cd /m/named && find . -type f | sort | xargs tail -n 5']);
        const tree = await containerTree(docker, host, 'cpv', '/m');
        await docker.ok(['rm', '-f', 'cpv']);
        return { said, inside, tree };
      });
      assert.ok(
        both[0].tree.some((line) => line.includes('named/bound/put')),
        both[0].tree.join('\n'),
      );
      assertSame(both);
    });

    test('of a container that doesn’t run they are out of reach, and that is said', async () => {
      const { docker } = sides().berth;
      await docker.ok(['create', '--name', 'cpv', '-v', 'cpv:/v', 'busybox']);
      const refused = await docker.run(['cp', 'cpv:/v/x', '-']);
      assert.match(refused.stderr, /\/v\/x lies in the volume at \/v of container cpv, and volumes can be reached only while it runs/);
      await docker.ok(['rm', 'cpv']);
    });
  });
}
