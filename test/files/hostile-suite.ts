import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { before, describe, test } from 'node:test';
import tar from 'tar-stream';
import type { Sides } from './sides.ts';
import { containerTree } from './trees.ts';

async function archive(
  ...members: readonly (readonly [{ name: string; type?: 'link' | 'symlink' | 'directory'; linkname?: string }, string?])[]
): Promise<Buffer> {
  const pack = tar.pack();
  const whole = buffer(pack);
  for (const [header, content] of members) pack.entry({ mtime: new Date(0), ...header }, content ?? '');
  pack.finalize();
  return await whole;
}

/** Archives that try to leave the directory they are unpacked into: dockerd and Berth end where they should, and alike. */
export function hostileSuite(sides: () => Sides): void {
  describe('hostile archives', { timeout: 240_000 }, () => {
    before(async () => {
      await sides().both(({ docker }) => docker.ok(['run', '-d', '--name', 'target', 'busybox', 'sh', '-c', 'mkdir -p /t/in /t/out; exec sleep 100000']));
    });

    const cases: readonly (readonly [string, () => Promise<Buffer>, { readonly ours?: RegExp }?])[] = [
      ['a name above', () => archive([{ name: '../out/above' }, 'x']), { ours: /"\.\.\/out\/above" is outside of "\/t\/in"/ }],
      ['a name far above', () => archive([{ name: 'a/../../../../etc/above' }, 'x']), { ours: /is outside of/ }],
      ['an absolute name', () => archive([{ name: '/absolute' }, 'x'])],
      ['a hard link to above', () => archive([{ name: 'hard', type: 'link', linkname: '../out/x' }]), { ours: /is outside of/ }],
      ['a file where a directory is', () => archive([{ name: 'dir/', type: 'directory' }], [{ name: 'dir' }, 'now a file'])],
      ['a truncated archive', async () => (await archive([{ name: 'cut' }, 'y'.repeat(5000)])).subarray(0, 2000)],
      ['no archive', async () => Buffer.from('this is no tar at all, but long enough to be looked at. '.repeat(40))],
      ['an empty one', async () => Buffer.alloc(1024)],
    ];
    for (const [name, make, differs] of cases) {
      test(name, async () => {
        const input = await make();
        const [theirs, ours] = await sides().both(async (side) => {
          const { exitCode, stderr } = await side.docker.run(['cp', '-', 'target:/t/in'], { input });
          return {
            exitCode,
            stderr: sides().normalise(stderr, side),
            tree: (await containerTree(side.docker, side.host, 'target', '/t')).filter((line) => !line.startsWith('t/in/cut')),
          };
        });
        assert.equal(ours.exitCode, theirs.exitCode, `${theirs.stderr} | ${ours.stderr}`);
        assert.deepEqual(ours.tree, theirs.tree);
        if (differs?.ours !== undefined) assert.match(ours.stderr, differs.ours);
      });
    }

    test('links that the archive makes itself lead nowhere but into the container', async () => {
      const [, berth] = sides().all;
      const input = await archive(
        [{ name: 'up', type: 'symlink', linkname: '../../../../../../..' }],
        [{ name: 'up/t/out/planted' }, 'planted'],
        [{ name: 'root', type: 'symlink', linkname: '/' }],
        [{ name: 'root/planted' }, 'planted'],
      );
      const { exitCode, stderr } = await berth.docker.run(['cp', '-', 'target:/t/in'], { input });
      assert.deepEqual([exitCode, stderr], [0, '']);
      assert.equal(await berth.docker.ok(['exec', 'target', 'cat', '/planted', '/t/out/planted']), 'plantedplanted');
    });
  });
}
