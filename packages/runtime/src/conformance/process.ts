import assert from 'node:assert/strict';
import type { Define } from './subject.ts';

export function processTests(define: Define): void {
  define('runs a command and tells when it began and ended', async (trial) => {
    const before = Date.now();
    const { container, recorder } = await trial.start(trial.spec(['echo', 'hello']));
    const { exitCode, oomKilled, finishedAtMs, error } = await container.exited;
    assert.equal(recorder.text('stdout'), 'hello\n');
    assert.deepEqual({ exitCode, oomKilled, error }, { exitCode: 0, oomKilled: false, error: undefined });
    assert.ok(container.pid > 0);
    assert.ok(container.startedAtMs >= before - 1500 && container.startedAtMs <= Date.now() + 1500, 'began about now');
    assert.ok(finishedAtMs >= container.startedAtMs, 'ended after it began');
    await container.destroy();
  });

  define('gives the exit code', async (trial) => {
    for (const code of [0, 1, 42, 255]) assert.equal((await trial.run(['sh', '-c', `exit ${code}`])).exitCode, code);
  });

  define('gives 128 and the signal for a process that is killed', async (trial) => {
    const { container } = await trial.start(trial.spec(['sleep', '1000']));
    await container.signal(9);
    assert.equal((await container.exited).exitCode, 137);
  });

  define('has just the environment and the working directory asked for', async (trial) => {
    const { stdout } = await trial.run(['sh', '-c', 'echo $A; pwd'], { process: { env: ['PATH=/bin:/usr/bin', 'A=b c'], cwd: '/tmp' } });
    assert.equal(stdout, 'b c\n/tmp\n');
  });

  define(
    'makes a working directory that is missing',
    async (trial) => {
      assert.equal((await trial.run(['pwd'], { process: { cwd: '/not/there/yet' } })).stdout, '/not/there/yet\n');
    },
    ['root-filesystem'],
  );

  define(
    'resolves users and groups in the container',
    async (trial) => {
      const ids = async (user: string, additionalGroups: string[] = []) =>
        (await trial.run(['sh', '-c', 'id -u; id -g; id -G'], { process: { user, additionalGroups } })).stdout.split('\n').slice(0, 3);
      assert.deepEqual((await ids('')).slice(0, 2), ['0', '0']);
      assert.deepEqual((await ids('nobody')).slice(0, 1), ['65534']);
      assert.deepEqual((await ids('1234:567')).slice(0, 2), ['1234', '567']);
      assert.ok((await ids('1234:567', ['890']))[2]?.split(' ').includes('890'));
      await assert.rejects(trial.run(['true'], { process: { user: 'nosuchuser' } }), { code: 'user-not-found' });
    },
    ['users'],
  );

  define('tells a command that is missing from one that may not be executed', async (trial) => {
    const missing = trial.spec(['no-such-command']);
    await assert.rejects(trial.start(missing), { code: 'command-not-found' });
    await assert.rejects(trial.start(trial.spec(['/no/such/command'])), { code: 'command-not-found' });
    await assert.rejects(trial.start(trial.spec(['/etc/passwd'])), { code: 'command-not-executable' });
    assert.ok(!(await trial.runtime.list()).includes(missing.id), 'a failed start leaves nothing');
  });

  define('gives up a start that is aborted', async (trial) => {
    const spec = trial.spec(['sleep', '1000']);
    await assert.rejects(trial.runtime.start(spec, { position: 0, write: () => undefined }, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
    assert.ok(!(await trial.runtime.list()).includes(spec.id));
  });

  define('runs several side by side', async (trial) => {
    const codes = await Promise.all([1, 2, 3, 4].map(async (code) => (await trial.run(['sh', '-c', `sleep 0.1; exit ${code}`])).exitCode));
    assert.deepEqual(codes, [1, 2, 3, 4]);
  });

  define(
    'is process 1, ends with it, and its children with it',
    async (trial) => {
      const { container, recorder } = await trial.start(trial.spec(['sh', '-c', 'echo pid $$; sleep 1000 & exit 3']));
      assert.equal((await container.exited).exitCode, 3);
      assert.equal(recorder.text(), 'pid 1\n');
    },
    ['process-one'],
  );

  define(
    'is spared the signals that process 1 does not handle',
    async (trial) => {
      const { container, recorder } = await trial.start(trial.spec(['sh', '-c', 'echo up; read x; echo got; exit 4'], { process: { stdin: true } }));
      await recorder.until('up');
      await container.signal(15);
      await container.writeStdin(Buffer.from('\n'));
      assert.equal((await container.exited).exitCode, 4);
    },
    ['process-one'],
  );

  define(
    'with --init is a child of a reaper that passes signals on',
    async (trial) => {
      const { container, recorder } = await trial.start(trial.spec(['sh', '-c', 'echo pid $$; exec sleep 1000'], { init: true }));
      await recorder.until('pid');
      assert.doesNotMatch(recorder.text(), /^pid 1$/m);
      await container.signal(15);
      assert.equal((await container.exited).exitCode, 143);
    },
    ['init'],
  );
}
