import assert from 'node:assert/strict';
import type { Define } from './subject.ts';

export function filesystemTests(define: Define): void {
  define(
    'keeps what was written for the next run, until removal',
    async (trial) => {
      const spec = trial.spec(['sh', '-c', 'cat /kept 2> /dev/null; echo here > /kept']);
      const run = async () => {
        const { container, recorder } = await trial.start(spec);
        await container.exited;
        await container.destroy();
        return recorder.text();
      };
      assert.equal(await run(), '');
      assert.equal(await run(), 'here\n');
      assert.ok((await trial.runtime.writableSize(spec.id)) > 0);
      await trial.runtime.remove(spec.id);
      assert.equal(await trial.runtime.writableSize(spec.id), 0);
      assert.equal(await run(), '');
    },
    ['root-filesystem'],
  );

  define(
    'two containers of one image do not see each other',
    async (trial) => {
      await trial.run(['sh', '-c', 'echo mine > /etc/mine']);
      assert.notEqual((await trial.run(['cat', '/etc/mine'])).exitCode, 0);
    },
    ['root-filesystem'],
  );

  define(
    'has the names and files that Docker manages',
    async (trial) => {
      const files = { hosts: '127.0.0.1\tlocalhost\n192.0.2.7\tseven\n', resolvConf: 'nameserver 192.0.2.53\n', hostname: 'given\n' };
      const { container, recorder } = await trial.start(
        trial.spec(['sh', '-c', 'hostname; cat /etc/hosts /etc/resolv.conf /etc/hostname; read x; cat /etc/hosts'], {
          hostname: 'given',
          files,
          process: { stdin: true },
        }),
      );
      await recorder.until('given\n127.0.0.1\tlocalhost\n192.0.2.7\tseven\nnameserver 192.0.2.53\ngiven\n');
      await container.updateFiles({ hosts: '192.0.2.8\teight\n' });
      await container.writeStdin(Buffer.from('\n'));
      await container.exited;
      assert.match(recorder.text(), /192\.0\.2\.8\teight\n$/);
      await container.destroy();
    },
    ['root-filesystem'],
  );

  define(
    'a read-only root can be read only',
    async (trial) => {
      const { stdout } = await trial.run(['sh', '-c', 'echo no > /file 2> /dev/null || echo refused; echo yes > /dev/shm/file && echo written'], {
        readonlyRootfs: true,
      });
      assert.equal(stdout, 'refused\nwritten\n');
    },
    ['root-filesystem'],
  );

  define(
    'mounts tmpfs with its options, and shared memory of the size asked for',
    async (trial) => {
      const mounts = [{ type: 'tmpfs' as const, target: '/scratch/deep', options: ['size=8m', 'mode=1770', 'noexec'] }];
      const { stdout } = await trial.run(
        ['sh', '-c', 'grep -E " (/scratch/deep|/dev/shm) " /proc/mounts; stat -c %a /scratch/deep; df -k /dev/shm | tail -n 1'],
        { mounts, shmBytes: 4 << 20 },
      );
      assert.match(stdout, /tmpfs \/scratch\/deep tmpfs [^\n]*noexec[^\n]*size=8192k[^\n]*/);
      assert.match(stdout, /^1770$/m);
      // Docker's name for it.
      assert.match(stdout, /^shm +4096\b/m);
    },
    ['mounts'],
  );

  define('has /proc, /sys, /dev and the usual devices', async (trial) => {
    const { stdout } = await trial.run([
      'sh',
      '-c',
      'head -c 4 /dev/urandom | wc -c; echo x > /dev/null; test -c /dev/tty && test -d /dev/pts && test -e /proc/self/status && test -d /sys/class && echo all',
    ]);
    assert.equal(stdout.replaceAll(' ', ''), '4\nall\n');
  });

  define(
    'sets sysctls, and refuses those that are not there',
    async (trial) => {
      assert.equal((await trial.run(['cat', '/proc/sys/net/core/somaxconn'], { sysctls: { 'net.core.somaxconn': '777' } })).stdout, '777\n');
      await assert.rejects(trial.run(['true'], { sysctls: { 'net.no.such': '1' } }), { code: 'sysctl-invalid' });
    },
    ['sysctls'],
  );
}
