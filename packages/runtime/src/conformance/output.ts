import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Recorder } from './recorder.ts';
import type { Define } from './subject.ts';

const MEBIBYTE = 1 << 20;

export function outputTests(define: Define): void {
  define('keeps the streams apart and their order', async (trial) => {
    const { stdout, stderr } = await trial.run(['sh', '-c', 'for i in 1 2 3; do echo out $i; echo err $i >&2; done']);
    assert.equal(stdout, 'out 1\nout 2\nout 3\n');
    assert.equal(stderr, 'err 1\nerr 2\nerr 3\n');
  });

  define('comes bit for bit, and all of it before the exit', async (trial) => {
    const size = 4 * MEBIBYTE + 17;
    const { container, recorder } = await trial.start(
      trial.spec(['sh', '-c', `head -c ${size} /dev/urandom > /tmp/$$; sha256sum < /tmp/$$ >&2; cat /tmp/$$; rm /tmp/$$`]),
    );
    assert.equal((await container.exited).exitCode, 0);
    const bytes = recorder.bytes('stdout');
    assert.equal(bytes.length, size);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), recorder.text('stderr').slice(0, 64));
  });

  define('holds the process back when nobody takes its output', async (trial) => {
    const recorder = new Recorder();
    recorder.block();
    const { container } = await trial.start(trial.spec(['sh', '-c', 'exec cat /dev/zero']), recorder);
    const usage = async () => (await container.statistics()).memoryUsageBytes;
    const first = await usage();
    for (let i = 0; i < 5; i += 1) assert.ok((await usage()) < first + 32 * MEBIBYTE, 'unread output is bounded');
    await container.destroy();
  });

  define('is nothing for a process that is silent', async (trial) => {
    const { stdout, stderr } = await trial.run(['true']);
    assert.equal(stdout + stderr, '');
  });
}
