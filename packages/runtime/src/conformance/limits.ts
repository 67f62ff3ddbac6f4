import assert from 'node:assert/strict';
import type { Define } from './subject.ts';

export function limitTests(define: Define): void {
  define(
    'a container that takes more memory than it may is killed, and says so',
    async (trial) => {
      const { container } = await trial.start(trial.spec(['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=200M', 'count=1'], { limits: { memoryBytes: 48 << 20 } }));
      const status = await container.exited;
      assert.deepEqual({ exitCode: status.exitCode, oomKilled: status.oomKilled }, { exitCode: 137, oomKilled: true });
      await container.destroy();
    },
    ['limits'],
  );

  define(
    'the memory limit is the one asked for',
    async (trial) => {
      const { container } = await trial.start(trial.spec(['sleep', '1000'], { limits: { memoryBytes: 50 << 20 } }));
      assert.equal((await container.statistics()).memoryLimitBytes, 50 << 20);
      await container.destroy();
    },
    ['limits'],
  );

  define(
    'there are no more processes than allowed',
    async (trial) => {
      const { container, recorder } = await trial.start(
        trial.spec(['sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; echo done; wait'], { limits: { pids: 6 } }),
      );
      await recorder.until(/done|fork|resource/i);
      const { pids, pidsLimit } = await container.statistics();
      assert.ok(pids <= 6, `${pids} processes`);
      assert.equal(pidsLimit, 6);
      await container.destroy();
    },
    ['limits'],
  );

  define(
    'resource limits are set',
    async (trial) => {
      const rlimits = [{ name: 'nofile', soft: 64, hard: 128 }];
      assert.equal((await trial.run(['sh', '-c', 'ulimit -n; ulimit -Hn'], { process: { rlimits } })).stdout, '64\n128\n');
    },
    ['limits'],
  );
}
