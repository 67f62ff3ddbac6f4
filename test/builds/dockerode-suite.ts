import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import Docker from 'dockerode';
import type { Sides } from '../files/sides.ts';
import { writeContext } from './context.ts';

type Message = Readonly<Record<string, unknown>>;

export function dockerodeSuite(sides: () => Sides): void {
  describe('dockerode', { timeout: 90_000 }, () => {
    test('buildImage: its messages end with the image, or with the code of the step that failed', { timeout: 80_000 }, async () => {
      const messages = await sides().both(async ({ docker, host }) => {
        const client = new Docker({ socketPath: docker.socketPath });
        const folder = join(host, 'dockerode');
        await mkdir(folder, { recursive: true });
        await writeContext(folder, { Dockerfile: 'FROM busybox\nARG code\nCOPY a /a\nRUN cat /a; exit $code\n', a: 'from a file\n' });
        const build = async (code: string): Promise<Message[]> => {
          const stream = await client.buildImage({ context: folder, src: ['Dockerfile', 'a'] }, { t: 'dockerode', buildargs: { code } });
          return await new Promise((resolve, reject) => {
            client.modem.followProgress(stream, (error, all) => (all === null ? reject(error as Error) : resolve(all as Message[])));
          });
        };
        const good = await build('0');
        const bad = await build('5');
        const { Id } = await client.getImage('dockerode').inspect();
        return {
          aux: good.some(({ aux }) => (aux as { ID: string } | undefined)?.ID === Id),
          output: good.filter(({ stream }) => stream === 'from a file\n').length,
          last: String(good.at(-1)?.['stream']),
          error: bad.at(-1),
        };
      });
      assert.deepEqual(messages[1], messages[0]);
    });
  });
}
