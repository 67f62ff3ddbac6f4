import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { TarReader } from '@berth/images';
import { assertSame } from './same.ts';
import type { Side, Sides } from './sides.ts';

/** What changes a container in every way a layer can tell. */
const change = [
  'mkdir -p /new/deep; echo a > /new/deep/a; ln /new/deep/a /new/b; ln -s deep /new/link; mkfifo /new/pipe',
  'rm /bin/vi; rm -rf /home; mkdir /home; echo h > /home/h; rm -rf /var; echo file > /var',
  'echo more >> /etc/passwd; chmod 711 /root; chown 7:8 /etc/group; chmod 4755 /new/deep/a; touch -d @1300000000 /new/deep/a',
  'echo x > /tmp/gone; rm /tmp/gone; mkdir -p /dev/shm; echo t > /dev/shm/t',
].join('; ');

/** `path kind mode owner` of a root file system, without what Docker mounts over, and what only one of the two puts there. */
async function exported(side: Side, container: string): Promise<string[]> {
  const path = join(side.host, `${container}-export.tar`);
  await side.docker.ok(['export', '-o', path, container]);
  const lines: string[] = [];
  const reader = new TarReader(createReadStream(path));
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const name = entry.path.replace(/\/$/, '');
    if (/^(?:\.dockerenv|(?:dev|proc|sys)(?:\/.*)?|etc\/(?:hosts|hostname|resolv\.conf|mtab))$/.test(name)) continue;
    lines.push(`${name} ${entry.kind} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${entry.linkPath}`);
  }
  return lines.sort();
}

export function commitSuite(sides: () => Sides): void {
  describe('diff, export, commit, import', { timeout: 600_000 }, () => {
    test('diff and export of a container that was never started, runs, has ended', { timeout: 240_000 }, async () => {
      const both = await sides().both(async (side) => {
        const { docker, host } = side;
        await mkdir(host, { recursive: true });
        const found: unknown[] = [];
        const look = async () => {
          found.push((await docker.ok(['diff', 'changing'])).split('\n').sort());
          found.push(await exported(side, 'changing'));
        };
        await docker.ok(['create', '--name', 'changing', 'busybox', 'sh', '-c', `${change}; echo done; exec sleep 100000`]);
        await look();
        await docker.ok(['start', 'changing']);
        for (const end = Date.now() + 30_000; !(await docker.ok(['logs', 'changing'])).includes('done') && Date.now() < end; );
        await look();
        await docker.ok(['kill', 'changing']);
        await docker.ok(['wait', 'changing']);
        await look();
        return found;
      });
      assertSame(both);
    });

    test('commit: of what has ended and of what runs, with changes, and the images run', { timeout: 300_000 }, async () => {
      const both = await sides().both(async ({ docker }) => {
        await docker.ok(['run', '-d', '--name', 'source', '-e', 'KEPT=yes', '-w', '/tmp', 'busybox', 'sh', '-c', 'echo 1 > /one; echo up; exec sleep 100000']);
        for (const end = Date.now() + 30_000; !(await docker.ok(['logs', 'source'])).includes('up') && Date.now() < end; );
        const changes = ['-c', 'ENV ADDED=1', '-c', 'LABEL a=b', '-c', 'CMD ["cat", "/one", "/new/b"]', '-c', 'EXPOSE 80'];
        await docker.ok(['commit', '-a', 'somebody', '-m', 'why', ...changes, 'source', 'committed:running']);
        await docker.ok(['commit', '-p=false', 'changing', 'committed:ended']);
        const still = await docker.ok(['inspect', '-f', '{{.State.Status}}', 'source']);
        const inspected = JSON.parse(await docker.ok(['image', 'inspect', 'committed:running'])) as {
          Config: Record<string, unknown>;
          Author: string;
          Comment: string;
        }[];
        const { Config, Author, Comment } = inspected[0] ?? { Config: {}, Author: '', Comment: '' };
        const { Env, Cmd, Labels, ExposedPorts, WorkingDir, Entrypoint } = Config;
        await docker.ok(['commit', 'source', 'committed:again']);
        const runs = await docker.run(['run', '--rm', 'committed:running']);
        const lists = await docker.ok([
          'run',
          '--rm',
          'committed:ended',
          'sh',
          '-c',
          'ls -l /new /new/deep | grep -v total | cut -c1-33,46-; ls -ln /etc/group | cut -c1-30; ls /home /bin/vi /var 2>&1; cat /var; stat -c %a /root',
        ]);
        const history = await docker.ok(['history', '--no-trunc', '--format', '{{.CreatedBy}} {{.Comment}}', 'committed:running']);
        return {
          still,
          Env,
          Cmd,
          Labels,
          ExposedPorts,
          WorkingDir,
          Entrypoint,
          Author,
          Comment,
          runs: [runs.exitCode, runs.stdout, runs.stderr],
          lists,
          history,
        };
      });
      assertSame(both);
    });

    test('a commit of nothing adds no layer; names that are none are refused', { timeout: 120_000 }, async () => {
      const both = await sides().both(async (side) => {
        const { docker } = side;
        await docker.ok(['create', '--name', 'untouched', 'busybox']);
        await docker.ok(['commit', 'untouched', 'committed:nothing']);
        const layers = await docker.ok(['image', 'inspect', '-f', '{{len .RootFS.Layers}}', 'committed:nothing']);
        const failures = [];
        for (const words of [
          ['commit', 'nobody'],
          ['commit', 'untouched', 'UPPER'],
          ['commit', '-c', 'NONSENSE x', 'untouched'],
          ['diff', 'nobody'],
          ['export', 'nobody', '-o', join(side.host, 'none')],
        ]) {
          const { exitCode, stderr } = await docker.run(words);
          failures.push([words[0], exitCode, sides().normalise(stderr, side)]);
        }
        return { layers, failures };
      });
      assertSame(both);
    });

    test('an export is imported with changes', { timeout: 120_000 }, async () => {
      const both = await sides().both(async ({ docker, host }) => {
        await docker.ok(['import', '-c', 'CMD ["cat", "/new/deep/a"]', '-c', 'ENV PATH=/bin', join(host, 'changing-export.tar'), 'imported']);
        await docker.ok(['save', '-o', join(host, 'both.tar'), 'imported', 'committed:running']);
        await docker.ok(['rmi', 'imported', 'committed:running']);
        const loaded = (await docker.ok(['load', '-i', join(host, 'both.tar')]))
          .split('\n')
          .filter((line) => line.startsWith('Loaded'))
          .sort();
        return { said: await docker.ok(['run', '--rm', 'imported']), loaded };
      });
      assertSame(both);
    });
  });
}
