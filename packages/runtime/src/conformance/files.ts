import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerFiles, FileEntry, FilePiece } from '../files.ts';
import type { ContainerSpec, ShareMount } from '../port.ts';
import type { Define, Trial } from './subject.ts';

const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 1_500_000_000, linkPath: '', deviceMajor: 0, deviceMinor: 0, xattrs: new Map<string, string>() };

async function* pieces(...files: readonly (readonly [string, string | Buffer])[]): AsyncGenerator<FilePiece> {
  for (const [path, content] of files) {
    const data = Buffer.from(content);
    yield { type: 'entry', entry: { ...plain, kind: 'file', path, sizeBytes: data.length } };
    yield { type: 'data', data };
  }
}

async function* after(time: Promise<void>, stream: AsyncIterable<FilePiece>): AsyncGenerator<FilePiece> {
  await time;
  yield* stream;
}

async function gather(stream: AsyncIterable<FilePiece>): Promise<{ entry: FileEntry; text: string }[]> {
  const files: { entry: FileEntry; text: string }[] = [];
  for await (const piece of stream) {
    const last = files.at(-1);
    if (piece.type === 'entry') files.push({ entry: piece.entry, text: '' });
    else if (last !== undefined) last.text += piece.type === 'data' ? piece.data.toString('latin1') : '\0'.repeat(piece.sizeBytes);
  }
  return files;
}

async function using<T>(trial: Trial, spec: ContainerSpec, body: (files: ContainerFiles) => Promise<T>, mounts: readonly ShareMount[] = []): Promise<T> {
  trial.cleansUp(spec.id);
  await using files = await trial.runtime.files({ id: spec.id, rootfs: spec.rootfs, ...spec.limits, mounts });
  return await body(files);
}

const readText = async (files: ContainerFiles, path: string) => (await gather((await files.read(path)).pieces))[0]?.text;

export function fileTests(define: Define): void {
  define('what is written into a container that never ran can be asked for and comes back', async (trial) => {
    const spec = trial.spec(['true']);
    await using(trial, spec, async (files) => {
      await files.write('/', pieces(['given', 'content'], ['given-dir/below', Buffer.alloc(300_000, 7)]));
      const { kind, mode, sizeBytes, mtimeNs } = await files.stat('/given');
      assert.deepEqual({ kind, mode, sizeBytes, mtimeNs }, { kind: 'file', mode: 0o644, sizeBytes: 7, mtimeNs: 1_500_000_000_000_000_000n });
      assert.equal(await readText(files, '/given'), 'content');
      const below = await gather((await files.read('/given-dir')).pieces);
      assert.deepEqual(
        below.map(({ entry, text }) => [entry.kind, entry.path, text.length]),
        [
          ['directory', '', 0],
          ['file', 'below', 300_000],
        ],
      );
      const changes = (await files.changes()).map(({ kind: change, path }) => `${change} ${path}`).sort();
      assert.deepEqual(changes, ['added /given', 'added /given-dir', 'added /given-dir/below']);
      await assert.rejects(files.stat('/not-there'), { code: 'file-not-found' });
      await assert.rejects(files.write('/given', pieces()), { code: 'not-a-directory' });
      await assert.rejects(files.write('/', pieces(['given-dir', '']), { keepKinds: true }), { code: 'cannot-overwrite' });
    });
    assert.ok((await trial.runtime.list()).includes(spec.id), 'it has a writable layer now');
  });

  define(
    'directories of the host are among the files of a container that doesn’t run, when they are asked for',
    async (trial) => {
      const folder = mkdtempSync(join(tmpdir(), 'berth-shown-'));
      try {
        writeFileSync(join(folder, 'given'), 'from the host');
        const share = { type: 'share', source: folder, subpath: '', readonly: false, recursive: true, copy: false } as const;
        const mounts: ShareMount[] = [
          { ...share, target: '/data' },
          { ...share, target: '/data/below', readonly: true },
        ];
        const spec = trial.spec(['cat', '/data/put', '/own'], { mounts: mounts.slice(0, 1) });
        await using(trial, spec, async (files) => await files.write('/', pieces(['own', 'its own'])));
        await using(
          trial,
          spec,
          async (files) => {
            assert.deepEqual(
              [await readText(files, '/data/given'), await readText(files, '/data/below/given'), await readText(files, '/own')],
              ['from the host', 'from the host', 'its own'],
            );
            await Promise.all([files.write('/data', pieces(['put', 'put there'])), files.stat('/data/below')]);
            await assert.rejects(files.write('/data/below', pieces(['no', ''])), { code: 'file-failed' });
          },
          mounts,
        );
        assert.equal(readFileSync(join(folder, 'put'), 'utf8'), 'put there');
        await using(trial, spec, async (files) => await assert.rejects(files.stat('/data/given'), { code: 'file-not-found' }));
        // A start meanwhile waits for what is being written, and others who ask wait for the start.
        const begun = Promise.withResolvers<void>();
        const { starting, asking } = await using(
          trial,
          spec,
          async (files) => {
            const writing = files.write('/data', after(begun.promise, pieces(['late', Buffer.alloc(300_000, 7)])));
            const starting = trial.start(spec);
            const asking = using(trial, spec, async (others) => await others.stat('/own'));
            await new Promise((resolve) => setTimeout(resolve, 300));
            begun.resolve();
            await writing;
            return { starting, asking };
          },
          mounts,
        );
        const { container } = await starting;
        await asking;
        assert.equal((await container.exited).exitCode, 0);
        assert.equal(readFileSync(join(folder, 'late')).length, 300_000);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    ['mounts', 'root-filesystem'],
  );

  define(
    'a start finds what was written before it, also while the files are held; afterwards they show what the run did',
    async (trial) => {
      const spec = trial.spec(['sh', '-c', 'cat /given; rm /etc/group; echo more > /made; echo x >> /etc/passwd; mkdir /d; mv /bin/vi /d; sleep 1000']);
      await using(trial, spec, async (files) => {
        await files.write('/', pieces(['given', 'before the start\n']));
        const { container, recorder } = await trial.start(spec);
        await recorder.until('before the start\n');
        // The same files, now of the running container.
        for (const end = Date.now() + 20_000; ; ) {
          const changes = (await files.changes()).map(({ kind, path }) => `${kind} ${path}`);
          if (changes.includes('added /d/vi') || Date.now() > end) break;
        }
        await container.pause();
        const changes = (await files.changes()).map(({ kind, path }) => `${kind} ${path}`).sort();
        assert.deepEqual(changes, [
          'added /d',
          'added /d/vi',
          'added /given',
          'added /made',
          'deleted /bin/vi',
          'deleted /etc/group',
          'modified /bin',
          'modified /etc',
          'modified /etc/passwd',
        ]);
        const layer = (await gather(files.layer())).map(({ entry }) => `${entry.kind} ${entry.path}`).sort();
        assert.deepEqual(layer, [
          'directory bin',
          'directory d',
          'directory etc',
          'file bin/.wh.vi',
          'file etc/.wh.group',
          'file etc/passwd',
          'file given',
          'file made',
          'symlink d/vi',
        ]);
        assert.equal(await readText(files, '/etc/hosts'), spec.files.hosts);
        assert.notEqual((await gather((await files.read('/etc/hosts', { withoutManaged: true })).pieces))[0]?.text, spec.files.hosts);
        await files.write('/', pieces(['late', 'while frozen']));
        await container.unpause();
        await container.destroy();
      });
      await using(trial, spec, async (files) => {
        assert.equal(await readText(files, '/late'), 'while frozen');
        assert.equal(await readText(files, '/given'), 'before the start\n');
      });
    },
    ['root-filesystem'],
  );

  define(
    'what was written survives the daemon, a start that fails, and is gone with the container',
    async (trial) => {
      const spec = trial.spec(['no-such-command']);
      await using(trial, spec, (files) => files.write('/', pieces(['given', 'kept'])));
      await assert.rejects(trial.start(spec), { code: 'command-not-found' });
      const read = () => using(trial, spec, (files) => readText(files, '/given'));
      assert.equal(await read(), 'kept');
      const runtime = await trial.subject.reopen();
      await runtime.stopLeftovers(spec.id);
      assert.equal(await read(), 'kept');
      await trial.runtime.remove(spec.id);
      assert.ok(!(await trial.runtime.list()).includes(spec.id));
      await assert.rejects(read(), { code: 'file-not-found' });
    },
    ['root-filesystem'],
  );

  define('requests side by side share what they need, and one that goes early disturbs nobody', async (trial) => {
    const spec = trial.spec(['true']);
    await using(trial, spec, async (files) => {
      await files.write('/', pieces(['large', Buffer.alloc(2 << 20, 1)]));
      const early = async () => {
        for await (const piece of (await files.read('/large')).pieces) if (piece.type === 'data') break;
      };
      const others = [1, 2, 3].map((n) => using(trial, spec, (more) => more.write('/', pieces([`file-${n}`, `${n}`]))));
      await Promise.all([early(), ...others, early()]);
      for (const n of [1, 2, 3]) assert.equal(await readText(files, `/file-${n}`), `${n}`);
    });
  });
}
