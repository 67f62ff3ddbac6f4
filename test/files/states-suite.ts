import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { before, describe, test } from 'node:test';
import tar from 'tar-stream';
import { assertSame } from './same.ts';
import type { Side, Sides } from './sides.ts';
import { archiveOf, containerTree, hostTree, makeHostFiles, tarTree } from './trees.ts';

const mtime = new Date(1_350_000_000_000);

/** Whatever a tar can hold, and dockerd takes. */
async function variedTar(): Promise<Buffer> {
  const pack = tar.pack();
  const whole = buffer(pack);
  const owned = { mode: 0o4711, uid: 200_000, gid: 70_000, mtime };
  const long = `${'n'.repeat(120)}/${'m'.repeat(150)}`;
  pack.entry({ name: 'streamed/', type: 'directory', mode: 0o2750, uid: 11, gid: 12, mtime });
  pack.entry({ name: 'streamed/setuid', ...owned }, 'setuid');
  // dockerd loses the setuid bit of a file with two names; without it both do the same.
  pack.entry({ name: 'streamed/plain', ...owned, mode: 0o640 }, 'two names');
  pack.entry({ name: 'streamed/again', type: 'link', linkname: 'streamed/plain', ...owned, mode: 0o640 });
  pack.entry({ name: 'streamed/soft', type: 'symlink', linkname: 'setuid', uid: 5, mtime });
  pack.entry({ name: 'streamed/null', type: 'character-device', devmajor: 1, devminor: 3, mode: 0o666, mtime });
  pack.entry({ name: 'streamed/disk', type: 'block-device', devmajor: 8, devminor: 0, mode: 0o660, mtime });
  pack.entry({ name: 'streamed/pipe', type: 'fifo', mode: 0o600, mtime });
  pack.entry({ name: long, mtime }, 'long');
  pack.entry({ name: 'not/announced/below', mtime }, 'parents are made');
  pack.entry({ name: 'streamed/zeros', mtime }, Buffer.alloc(300_000));
  pack.entry({ name: 'tool', mode: 0o755, mtime, pax: { 'SCHILY.xattr.security.capability': '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0' } }, 'can');
  pack.finalize();
  return await whole;
}

/** The same copies into and out of a container that was never started, is frozen, has ended, and then runs again. */
export function statesSuite(sides: () => Sides): void {
  describe('cp in every state', { timeout: 600_000 }, () => {
    before(async () => {
      await sides().both(({ host }) => makeHostFiles(join(host, 'states')));
    });

    const states: readonly (readonly [string, (side: Side, name: string) => Promise<unknown>])[] = [
      ['created', ({ docker }, name) => docker.ok(['create', '--name', name, 'busybox', 'cat', '/work/f', '/work/x'])],
      [
        'paused',
        async ({ docker }, name) => {
          await docker.ok(['run', '-d', '--name', name, 'busybox', 'sleep', '100000']);
          await docker.ok(['pause', name]);
        },
      ],
      [
        'exited',
        async ({ docker }, name) => {
          await docker.ok(['run', '--name', name, 'busybox', 'sh', '-c', 'if [ -e /ran ]; then cat /work/f /work/x; else echo once > /ran; fi']);
        },
      ],
    ];

    for (const [state, make] of states) {
      test(state, { timeout: 240_000 }, async (t) => {
        const name = `in-${state}`;
        // What is frozen cannot be killed: dockerd would leave it behind.
        t.after(() => sides().both(({ docker }) => docker.run(['unpause', name])));
        const both = await sides().both(async (side) => {
          const { docker } = side;
          const host = join(side.host, 'states');
          await make(side, name);
          await mkdir(join(host, state));
          await docker.ok(['cp', join(host, 'd'), `${name}:/work`]);
          await docker.ok(['cp', join(host, 'f'), `${name}:/work/f`]);
          await docker.ok(['cp', '-', `${name}:/work`], { input: await variedTar() });
          const failures = [];
          for (const words of [
            ['cp', `${name}:/none`, host],
            ['cp', join(host, 'f'), `${name}:/none/x`],
            ['cp', '-', `${name}:/none`],
            ['cp', '-', `${name}:/work/f`],
          ]) {
            const { exitCode, stderr } = await docker.run(words, { input: await variedTar() });
            failures.push([words[0], exitCode, sides().normalise(stderr, side)]);
          }
          await docker.ok(['cp', `${name}:/work`, join(host, state)]);
          return {
            failures,
            inside: await containerTree(docker, host, name, '/work'),
            outside: await hostTree(join(host, state)),
            state: await docker.ok(['inspect', '-f', '{{.State.Status}}', name]),
          };
        });
        assertSame(both);
        if (state === 'paused') return;
        // A start, while the files' machine may still be there, finds them.
        const [said, saidHere] = await sides().both(({ docker }) => docker.ok(['start', '-a', name]));
        assert.equal(said, 'a file\nx of d');
        assert.equal(saidHere, said);
      });
    }

    test('a root that is read-only takes nothing, and gives', async () => {
      const both = await sides().both(async (side) => {
        await side.docker.ok(['create', '--read-only', '--name', 'readonly', 'busybox', 'true']);
        const { exitCode, stderr } = await side.docker.run(['cp', join(side.host, 'states/f'), 'readonly:/f']);
        const tree = await tarTree(await archiveOf(side.docker, side.host, 'readonly', '/bin/busybox'));
        return { exitCode, tree, stderr: sides().normalise(stderr, side) };
      });
      assertSame(both);
    });
  });
}
