import { mkdtemp, mkdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@berth/sys';
import { DockerRegistry } from '../../test/registry/docker-registry.ts';
import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import { writeLargeImage } from '../large-image.ts';
import type { Side } from '../side.ts';
import { median, summarize } from '../statistics.ts';

const NAME = 'localhost:5000/large:1';
const LIMIT = { timeoutMs: 300_000 };

/** Wall time of a command that brings the image in; it is removed again, which isn't measured. */
async function timed(side: Side, args: readonly string[]): Promise<number> {
  const { exitCode, stderr, wallMs } = await side.docker.run(args, LIMIT);
  if (exitCode !== 0) throw new Error(`docker ${args.join(' ')} on ${side.name} ended with ${exitCode}: ${stderr}`);
  await side.docker.ok(['rmi', '-f', NAME], LIMIT);
  return wallMs;
}

export const imageTransfer: Figure = {
  name: 'image-transfer',
  title: '`docker load` and `docker pull` of a 300 MB image',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'bt-bench-'));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const archive = join(directory, 'large.tar');
    await writeLargeImage(archive, NAME);
    const sides = [stack.use(await openBerth()), stack.use(await openDockerd())];
    const data = join(directory, 'data');
    await mkdir(data);
    for (const { name, netns } of sides) {
      if (netns === undefined) throw new Error(`${name} has no network of its own`);
      const place = join(directory, name);
      await mkdir(place);
      // Each has a registry in its own network; what is in them is the same.
      await symlink(data, join(place, 'data'));
      stack.use(await DockerRegistry.open({ netns, directory: place, address: '127.0.0.1:5000' }));
      if (name !== 'berth') continue;
      const copy = ['--insecure-policy', 'copy', '-q', '--dest-tls-verify=false', `docker-archive:${archive}`, `docker://${NAME}`];
      const [command, args] = netns.enter('skopeo', copy);
      await run(command, args, LIMIT);
    }
    const count = runs ?? (quick ? 3 : 7);
    const rows = [];
    for (const [word, args] of [
      ['load', ['load', '-q', '-i', archive]],
      ['pull', ['pull', '-q', NAME]],
    ] as const) {
      say(`${count} alternating runs of docker ${word}`);
      const taken = await alternate(sides, { runs: count, warmUp: 1, restMs: 1_000 }, (side) => timed(side, args));
      rows.push({
        figure: `\`docker ${word}\` of 300 MB, Berth / dockerd`,
        unit: 'ratio of medians',
        value: median(taken['berth'] ?? []) / median(taken['dockerd'] ?? []),
        must: atMost(1),
        aim: atMost(0.8),
        samples: Object.fromEntries(Object.entries(taken).map(([name, list]) => [`${name} ms`, summarize(list)])),
      });
    }
    return rows;
  },
};
