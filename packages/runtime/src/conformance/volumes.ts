import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockMount, ShareMount } from '../port.ts';
import type { Define } from './subject.ts';

const share = (source: string, target: string, changes: Partial<ShareMount> = {}): ShareMount => ({
  type: 'share',
  source,
  subpath: '',
  target,
  readonly: false,
  recursive: true,
  copy: false,
  ...changes,
});
const block = (disk: string, target: string, changes: Partial<BlockMount> = {}): BlockMount => ({
  type: 'block',
  disk,
  subpath: '',
  target,
  readonly: false,
  copy: false,
  ...changes,
});

export function volumeTests(define: Define): void {
  define(
    'directories and files of the host are the host’s own, with their owners',
    async (trial) => {
      using folder = new Folder();
      writeFileSync(join(folder.path, 'given'), 'from the host\n');
      writeFileSync(join(folder.path, 'file'), 'a file\n');
      const { stdout } = await trial.run(
        [
          'sh',
          '-c',
          'cat /data/given /etc/one; echo from inside > /data/made; chown 1234:99 /data/made; chmod 4755 /data/made; cat /read/given; echo no > /read/no 2> /dev/null || echo refused; echo more >> /etc/one; test -e /dev/.berth || echo clean',
        ],
        { mounts: [share(folder.path, '/data'), share(folder.path, '/read', { readonly: true }), share(join(folder.path, 'file'), '/etc/one')] },
      );
      assert.equal(stdout, 'from the host\na file\nfrom the host\nrefused\nclean\n');
      const made = statSync(join(folder.path, 'made'));
      assert.deepEqual([made.uid, made.gid, made.mode & 0o7777, readFileSync(join(folder.path, 'made'), 'utf8')], [1234, 99, 0o4755, 'from inside\n']);
      assert.equal(readFileSync(join(folder.path, 'file'), 'utf8'), 'a file\nmore\n');
    },
    ['mounts'],
  );

  define(
    'two that run see at once what the other writes, also after the daemon came back',
    async (trial) => {
      using folder = new Folder();
      const mounts = [share(folder.path, '/data')];
      const script = 'while read line; do case $line in w*) echo $line >> /data/log;; *) tail -n 1 /data/log;; esac; echo; done';
      const spec = () => trial.spec(['sh', '-c', script], { mounts, process: { stdin: true } });
      const [one, two] = [spec(), spec()];
      const first = await trial.start(one);
      const second = await trial.start(two);
      for (const round of ['w1', 'w2']) {
        await first.container.writeStdin(Buffer.from(`${round}\n`));
        await first.recorder.until('\n'.repeat(round === 'w1' ? 1 : 2));
        await second.container.writeStdin(Buffer.from('read\n'));
        await second.recorder.until(`${round}\n\n`);
      }
      const runtime = await trial.subject.reopen();
      const again = await runtime.adopt(one.id, first.recorder);
      assert.ok(again);
      await again.writeStdin(Buffer.from('w3\n'));
      await first.recorder.until('\n\n\n');
      assert.equal(readFileSync(join(folder.path, 'log'), 'utf8'), 'w1\nw2\nw3\n');
    },
    ['mounts'],
  );

  define(
    'what the image has at its place goes into an empty volume, once',
    async (trial) => {
      using folder = new Folder();
      const [empty, full] = [join(folder.path, 'empty'), join(folder.path, 'full')];
      mkdirSync(empty);
      mkdirSync(full);
      writeFileSync(join(full, 'mine'), '');
      const { stdout } = await trial.run(['sh', '-c', 'ls -ld /etc/passwd; cat /etc/passwd | wc -l; ls /full'], {
        mounts: [share(empty, '/etc', { copy: true }), share(full, '/full', { copy: true })],
      });
      assert.match(stdout, /^-rw-r--r--.*\n2\nmine\n$/);
      assert.match(readFileSync(join(empty, 'group'), 'utf8'), /root/);
    },
    ['mounts', 'root-filesystem'],
  );

  define(
    'a path inside a volume leads nowhere else',
    async (trial) => {
      using folder = new Folder();
      mkdirSync(join(folder.path, 'in', 'side'), { recursive: true });
      symlinkSync('/', join(folder.path, 'out'));
      writeFileSync(join(folder.path, 'in/side/here'), 'here\n');
      const { stdout } = await trial.run(['cat', '/data/here'], { mounts: [share(folder.path, '/data', { subpath: 'in/side' })] });
      assert.equal(stdout, 'here\n');
      for (const subpath of ['out', 'out/etc', '../..', 'nothing']) {
        await assert.rejects(trial.run(['true'], { mounts: [share(folder.path, '/data', { subpath })] }), { code: 'mount-failed' });
      }
    },
    ['mounts'],
  );

  define(
    'a disk holds a volume for one container after the other',
    async (trial) => {
      using folder = new Folder();
      const disk = join(folder.path, 'disk');
      await trial.subject.disk?.(disk);
      const copied = await trial.run(['cat', '/etc/group'], { mounts: [block(disk, '/etc', { copy: true })] });
      assert.match(copied.stdout, /^root:x:0:/);
      const first = await trial.run(
        ['sh', '-c', 'ls -A /data; rm /data/*; mkdir /data/sub; echo kept > /data/sub/file; cat /etc/group | head -n 1; df -k /data | tail -n 1'],
        {
          mounts: [block(disk, '/data')],
        },
      );
      assert.match(first.stdout, /^group\n[^]*root:x:0:\n\/dev\/vd/);
      const second = await trial.run(['sh', '-c', 'cat /data/file; ls /all; echo no > /data/no 2> /dev/null || echo refused'], {
        mounts: [block(disk, '/data', { subpath: 'sub', readonly: true }), block(disk, '/all')],
      });
      assert.equal(second.stdout, 'kept\nsub\nrefused\n');
    },
    ['mounts'],
  );
}

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'berth-volume-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}
