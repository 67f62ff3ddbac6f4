import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { assertSame } from './same.ts';
import type { Side, Sides } from './sides.ts';
import { containerTree } from './trees.ts';

/** `docker cp` and what is mounted in a container. */
export function volumesSuite(sides: () => Sides): void {
  /** `docker cp`, and what each one answered. */
  const copying = (side: Side) => {
    const said: string[] = [];
    const cp = async (...words: string[]) => {
      const { exitCode, stderr } = await side.docker.run(['cp', ...words]);
      said.push(`${words.join(' ').replaceAll(side.host, '@')}: ${exitCode} ${sides().normalise(stderr, side)}`);
    };
    return { said, cp };
  };

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
        const { said, cp } = copying(side);
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

    test('so they are of one that doesn’t run', async () => {
      const both = await sides().both(async (side) => {
        const { docker, host } = side;
        const source = join(host, 'rest');
        await mkdir(source, { recursive: true });
        await writeFile(join(source, 'theirs'), 'from the host\n');
        const mounts = ['-v', 'cpr:/v', '-v', `${source}:/v/bound`, '-v', `${source}:/ro:ro`, '-v', 'cpi:/bin'];
        await docker.ok(['create', '--name', 'cpr', ...mounts, 'busybox', 'sh', '-c', 'cat /v/put /v/bound/put /own; echo ran >/v/ran']);
        const { said, cp } = copying(side);
        await cp(join(source, 'theirs'), 'cpr:/own');
        await cp(join(source, 'theirs'), 'cpr:/v/put');
        await cp(join(source, 'theirs'), 'cpr:/v/bound/put');
        await cp(join(source, 'theirs'), 'cpr:/ro/put');
        await cp('cpr:/ro/theirs', join(host, 'got'));
        await cp('cpr:/bin/busybox', join(host, 'busybox'));
        said.push(await docker.ok(['start', '-a', 'cpr']));
        await cp('cpr:/v/ran', join(host, 'ran'));
        const tree = await containerTree(docker, host, 'cpr', '/v');
        await docker.ok(['rm', 'cpr']);
        return { said, tree: tree.map((line) => line.replace(/ \d{10}(\.\d+)?/, '')), put: await readFile(join(source, 'put'), 'utf8') };
      });
      assertSame(both);
    });

    test('a disk of one that doesn’t run is out of reach, and that is said', async () => {
      const { docker } = sides().berth;
      await docker.ok(['volume', 'create', '-o', 'type=block', '-o', 'size=32m', 'cpd']);
      await docker.ok(['create', '--name', 'cpd', '-v', 'cpd:/v', 'busybox']);
      const refused = await docker.run(['cp', 'cpd:/v/x', '-']);
      assert.match(refused.stderr, /\/v\/x lies in the volume at \/v of container cpd, which is a disk and can be reached only while it runs/);
      await docker.ok(['rm', 'cpd']);
    });
  });
}
