import assert from 'node:assert/strict';
import { Recorder } from './recorder.ts';
import type { Define } from './subject.ts';

export function adoptionTests(define: Define): void {
  define('a container goes on when the daemon dies, and is taken up without gap or repetition', async (trial) => {
    const spec = trial.spec(['sh', '-c', 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; [ $((i%50)) -ne 0 ] || sleep 0.05; done; exit 8']);
    const first = new Recorder();
    const { container } = await trial.start(spec, first);
    await first.until('line 100\n');
    first.block();
    const runtime = await trial.subject.reopen();
    const second = new Recorder(first.position);
    const adopted = await runtime.adopt(spec.id, second);
    assert.ok(adopted !== undefined);
    assert.equal(adopted.startedAtMs, container.startedAtMs);
    assert.equal(adopted.pid, container.pid);
    assert.equal((await adopted.exited).exitCode, 8);
    const lines = `${first.text()}${second.text()}`.trimEnd().split('\n');
    assert.deepEqual(
      lines,
      Array.from({ length: 400 }, (_, index) => `line ${index + 1}`),
    );
    await adopted.destroy();
  });

  define('an end that nobody saw is kept, with its code, its time and its output', async (trial) => {
    const spec = trial.spec(['sh', '-c', 'echo begun; read x; echo unseen; exit 9'], { process: { stdin: true } });
    const first = new Recorder();
    const { container } = await trial.start(spec, first);
    await first.until('begun');
    first.block();
    await container.writeStdin(Buffer.from('\n'));
    const runtime = await trial.subject.reopen();
    const second = new Recorder(first.position);
    const adopted = await runtime.adopt(spec.id, second);
    assert.ok(adopted !== undefined);
    const status = await adopted.exited;
    assert.equal(status.exitCode, 9);
    assert.ok(status.finishedAtMs <= Date.now() + 1500);
    assert.equal(second.text(), 'unseen\n');
    await adopted.destroy();
  });

  define('an adopted container obeys: input, exec, signals', async (trial) => {
    const spec = trial.spec(['sh', '-c', 'read x; echo got $x; exec sleep 1000'], { process: { stdin: true } });
    await trial.start(spec);
    const runtime = await trial.subject.reopen();
    const recorder = new Recorder();
    const adopted = await runtime.adopt(spec.id, recorder);
    assert.ok(adopted !== undefined);
    await adopted.writeStdin(Buffer.from('this\n'));
    await recorder.until('got this');
    const said = new Recorder();
    const exec = await adopted.exec(trial.process(['echo', 'still']), { write: (stream, data) => said.write(stream, data) });
    assert.equal((await exec.exited).exitCode, 0);
    assert.equal(said.text(), 'still\n');
    await adopted.signal(9);
    assert.equal((await adopted.exited).exitCode, 137);
    await adopted.destroy();
  });

  define('what does not run cannot be adopted', async (trial) => {
    assert.equal(await trial.runtime.adopt('f'.repeat(64), new Recorder()), undefined);
    const spec = trial.spec(['true']);
    const { container } = await trial.start(spec);
    await container.exited;
    await container.destroy();
    assert.equal(await trial.runtime.adopt(spec.id, new Recorder()), undefined, 'a destroyed run is over');
  });
}
