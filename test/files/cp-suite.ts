import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { type CopyCase, inward, outward } from './cp-cases.ts';
import type { Sides } from './sides.ts';
import { assertSame } from './same.ts';
import { containerTree, hostTree, makeHostFiles } from './trees.ts';

const work =
  'mkdir -p /work/dir; echo old > /work/file; touch -d @1300000000 /work/file; cd /work; ln -s dir to-dir; ln -s /work/file to-file; ln -s nowhere dangling';

/** Word by word, with the stock client: what it says, what it ends with, and what is there afterwards. */
export function cpSuite(sides: () => Sides): void {
  describe('docker cp', { timeout: 600_000 }, () => {
    before(async () => {
      await sides().both(async ({ docker, host }) => {
        await mkdir(host, { recursive: true });
        await makeHostFiles(host);
        await docker.ok(['run', '-d', '--name', 'cc', 'busybox', 'sh', '-c', `${work}; exec sleep 100000`]);
      });
    });

    async function compare(cases: readonly CopyCase[]): Promise<void> {
      const findings: string[] = [];
      for (const one of cases) {
        const words = ['cp', ...one.split(' ')];
        const both = await sides().both(async (side) => {
          const { exitCode, stderr } = await side.docker.run(words.map((word) => word.replace(/^@/, side.host)));
          return { exitCode, stderr: sides().normalise(stderr, side) };
        });
        try {
          assertSame(both);
        } catch (error) {
          findings.push(`docker ${words.join(' ')}: ${(error as Error).message}`);
        }
      }
      assert.equal(findings.length, 0, `\n${findings.join('\n')}`);
    }

    test('into a running container', { timeout: 300_000 }, async () => {
      await compare(inward);
      const both = await sides().both(({ docker, host }) => containerTree(docker, host, 'cc', '/work'));
      assertSame(both);
    });

    test('out of it', { timeout: 300_000 }, async () => {
      await compare(outward);
      const both = await sides().both(({ host }) => hostTree(host));
      assertSame(both);
    });
  });
}
