import assert from 'node:assert/strict';
import type { RunningContainer } from '../port.ts';
import { Recorder } from './recorder.ts';
import type { Define, Trial } from './subject.ts';

async function idle(trial: Trial) {
  return await trial.start(trial.spec(['sleep', '1000']));
}

async function execute(trial: Trial, container: RunningContainer, args: readonly string[], changes: Parameters<Trial['process']>[1] = {}) {
  const recorder = new Recorder();
  const exec = await container.exec(trial.process(args, changes), { write: (stream, data) => recorder.write(stream, data) });
  const { exitCode } = await exec.exited;
  return { exitCode, stdout: recorder.text('stdout'), stderr: recorder.text('stderr') };
}

export function execTests(define: Define): void {
  define('runs a command beside the main process, its output its own', async (trial) => {
    const { container, recorder } = await idle(trial);
    const result = await execute(trial, container, ['sh', '-c', 'echo out; echo err >&2; echo $A; pwd; exit 3'], {
      env: ['PATH=/bin:/usr/bin', 'A=b'],
      cwd: '/tmp',
    });
    assert.deepEqual(result, { exitCode: 3, stdout: 'out\nb\n/tmp\n', stderr: 'err\n' });
    assert.equal(recorder.text(), '');
    await container.destroy();
  });

  define('gives exit codes and tells missing from not executable', async (trial) => {
    const { container } = await idle(trial);
    for (let code = 0; code < 10; code += 1) assert.equal((await execute(trial, container, ['sh', '-c', `exit ${code}`])).exitCode, code);
    await assert.rejects(execute(trial, container, ['no-such-command']), { code: 'command-not-found' });
    await assert.rejects(execute(trial, container, ['/etc/passwd']), { code: 'command-not-executable' });
    await container.destroy();
  });

  define('reads input to its end', async (trial) => {
    const { container } = await idle(trial);
    const recorder = new Recorder();
    const exec = await container.exec(trial.process(['cat'], { stdin: true }), { write: (stream, data) => recorder.write(stream, data) });
    await exec.writeStdin(Buffer.from('through'));
    await recorder.until('through');
    await exec.closeStdin();
    assert.equal((await exec.exited).exitCode, 0);
    assert.equal((await execute(trial, container, ['cat'])).stdout, '', 'without input it reads end of file');
    await container.destroy();
  });

  define('has terminals and signals', async (trial) => {
    const { container } = await idle(trial);
    const recorder = new Recorder();
    const script = 'stty size; trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done';
    const spec = trial.process(['sh', '-c', script], { terminal: true, stdin: true, terminalSize: { columns: 70, rows: 20 } });
    const exec = await container.exec(spec, { write: (stream, data) => recorder.write(stream, data) });
    await recorder.until('ready');
    assert.match(recorder.text(), /^20 70\r\n/);
    await exec.resize({ columns: 71, rows: 21 });
    await recorder.until('21 71');
    await exec.signal(9);
    assert.equal((await exec.exited).exitCode, 137);
    await container.destroy();
  });

  define('runs many at once', async (trial) => {
    const { container } = await idle(trial);
    const results = await Promise.all(Array.from({ length: 12 }, (_, index) => execute(trial, container, ['sh', '-c', `echo ${index}; exit ${index}`])));
    for (const [index, result] of results.entries()) assert.deepEqual(result, { exitCode: index, stdout: `${index}\n`, stderr: '' });
    await container.destroy();
  });

  define('gives a mebibyte of output to a slow reader', async (trial) => {
    const { container } = await idle(trial);
    let bytes = 0;
    const write = async (_stream: string, data: Buffer) => {
      await new Promise((resolve) => setImmediate(resolve));
      bytes += data.length;
    };
    const exec = await container.exec(trial.process(['head', '-c', '1048576', '/dev/zero']), { write });
    assert.equal((await exec.exited).exitCode, 0);
    assert.equal(bytes, 1 << 20);
    await container.destroy();
  });

  define('ends with its container', async (trial) => {
    const { container } = await idle(trial);
    const exec = await container.exec(trial.process(['sleep', '1000']), { write: () => undefined });
    await container.signal(9);
    await container.exited;
    await container.destroy();
    assert.notEqual((await exec.exited).exitCode, 0);
  });
}
