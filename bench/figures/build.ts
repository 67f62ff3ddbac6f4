import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alternate } from '../alternate.ts';
import { atMost, type Figure } from '../figure.ts';
import type { Side } from '../side.ts';
import { median, summarize } from '../statistics.ts';

const LIMIT = { timeoutMs: 180_000 };

/** What people's files are made of: four commands, three copies, three words about the image. */
const dockerfile = [
  'FROM busybox',
  'ENV STAGE=bench',
  'WORKDIR /app',
  'COPY package.json .',
  'RUN mkdir node_modules && for i in 1 2 3 4 5 6 7 8 9; do echo $i > node_modules/$i; done',
  'COPY src src',
  'RUN cat src/* > built',
  'RUN echo app:x:1000:1000::/home/app:/bin/sh >> /etc/passwd && echo app:x:1000: >> /etc/group && chown app built',
  'COPY --chown=app package.json src/0.js /home/app/',
  'RUN ls -l /home/app > /listing',
  'CMD ["cat", "/app/built"]',
  '',
].join('\n');

export const build: Figure = {
  name: 'build',
  title: '`docker build` of ten steps, cold and cached',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    await using berth = await openBerth();
    await using dockerd = await openDockerd();
    const sides: readonly Side[] = [berth, dockerd];
    const folder = await mkdtemp(join(tmpdir(), 'bt-bench-build-'));
    const before = process.env['DOCKER_BUILDKIT'];
    try {
      // dockerd 20.10's BuildKit is another builder; the classic one is what is compared.
      process.env['DOCKER_BUILDKIT'] = '0';
      await writeFile(join(folder, 'Dockerfile'), dockerfile);
      await writeFile(join(folder, 'package.json'), '{}\n');
      await mkdir(join(folder, 'src'));
      for (let file = 0; file < 50; file++) await writeFile(join(folder, 'src', `${file}.js`), `// ${'x'.repeat(2_000)}\n`);
      const built = async (side: Side, args: readonly string[]) => {
        const { exitCode, stderr, wallMs } = await side.docker.run(['build', '-q', '-t', 'bench', ...args, folder], LIMIT);
        if (exitCode !== 0) throw new Error(`docker build on ${side.name} ended with ${exitCode}: ${stderr}`);
        return wallMs;
      };
      const count = runs ?? (quick ? 3 : 9);
      const rows = [];
      for (const [word, args] of [
        ['cold', ['--no-cache']],
        ['cached', []],
      ] as const) {
        say(`${count} alternating builds, ${word}`);
        const taken = await alternate(sides, { runs: count, warmUp: 1, restMs: 1_000 }, (side) => built(side, args));
        rows.push({
          figure: `\`docker build\` of ten steps, ${word}, Berth / dockerd's classic builder`,
          unit: 'ratio of medians',
          value: median(taken['berth'] ?? []) / median(taken['dockerd'] ?? []),
          must: atMost(1.2),
          aim: atMost(0.8),
          samples: Object.fromEntries(Object.entries(taken).map(([name, list]) => [`${name} ms`, summarize(list)])),
        });
      }
      return rows;
    } finally {
      if (before === undefined) delete process.env['DOCKER_BUILDKIT'];
      else process.env['DOCKER_BUILDKIT'] = before;
      await rm(folder, { recursive: true, force: true });
    }
  },
};
