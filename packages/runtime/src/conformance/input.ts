import assert from 'node:assert/strict';
import type { Define } from './subject.ts';

export function inputTests(define: Define): void {
  define('reads end of file when no input is kept open', async (trial) => {
    assert.equal((await trial.run(['sh', '-c', 'cat; echo end'])).stdout, 'end\n');
  });

  define('gets what is written, and its end', async (trial) => {
    const { container, recorder } = await trial.start(trial.spec(['sh', '-c', 'cat; echo end'], { process: { stdin: true } }));
    await container.writeStdin(Buffer.from('one '));
    await recorder.until('one');
    await container.writeStdin(Buffer.from('two\n'));
    await container.closeStdin();
    assert.equal((await container.exited).exitCode, 0);
    assert.equal(recorder.text(), 'one two\nend\n');
  });

  define('takes a mebibyte of input in order', async (trial) => {
    const { container, recorder } = await trial.start(trial.spec(['sha256sum'], { process: { stdin: true } }));
    const block = Buffer.alloc(64 << 10, 'berth');
    for (let i = 0; i < 16; i += 1) await container.writeStdin(block);
    await container.closeStdin();
    await container.exited;
    const { createHash } = await import('node:crypto');
    const whole = createHash('sha256')
      .update(Buffer.concat(Array.from({ length: 16 }, () => block)))
      .digest('hex');
    assert.equal(recorder.text().slice(0, 64), whole);
  });

  define('accepts input for a process that no longer reads', async (trial) => {
    const { container } = await trial.start(trial.spec(['true'], { process: { stdin: true } }));
    await container.exited;
    await container.writeStdin(Buffer.from('late')).catch(() => undefined);
    await container.closeStdin().catch(() => undefined);
  });

  define('a terminal has the size asked for, and is resized', async (trial) => {
    const script = 'stty size; trap "stty size; exit 6" WINCH; echo ready; while :; do sleep 0.1; done';
    const { container, recorder } = await trial.start(
      trial.spec(['sh', '-c', script], { process: { terminal: true, stdin: true, terminalSize: { columns: 91, rows: 31 } } }),
    );
    await recorder.until('ready');
    assert.match(recorder.text(), /^31 91\r\n/);
    await container.resize({ columns: 120, rows: 50 });
    assert.equal((await container.exited).exitCode, 6);
    assert.match(recorder.text(), /50 120\r\n$/);
  });

  define('a terminal echoes, edits lines and sends interrupts', async (trial) => {
    const { container, recorder } = await trial.start(
      trial.spec(['sh', '-c', 'tty > /dev/null && echo is-tty; read x; echo got-$x; exec sleep 1000'], { process: { terminal: true, stdin: true } }),
    );
    await recorder.until('is-tty');
    await container.writeStdin(Buffer.from('abd\x7fc\n'));
    await recorder.until('got-abc');
    assert.equal(recorder.text('stderr'), '');
    await container.signal(9);
    assert.equal((await container.exited).exitCode, 137);
  });

  define('a terminal passes ^C on as SIGINT', async (trial) => {
    const { container, recorder } = await trial.start(
      trial.spec(['sh', '-c', 'trap "exit 9" INT; echo ready; while :; do sleep 0.1; done'], { process: { terminal: true, stdin: true } }),
    );
    await recorder.until('ready');
    await container.writeStdin(Buffer.from('\x03'));
    assert.equal((await container.exited).exitCode, 9);
  });
}
