import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewExec } from './port.ts';
import { openTestEngine, textOf } from './stand-ins/index.ts';

const never = new AbortController().signal;

async function idle() {
  const t = await openTestEngine();
  const { id } = await t.engine.createContainer(t.container(['sleep', '1000'], { name: 'idle' }));
  await t.engine.startContainer(id);
  const request = (args: string[], changes: Partial<NewExec> = {}): NewExec => ({
    args,
    env: [],
    cwd: '',
    user: '',
    terminal: false,
    stdin: false,
    stdout: true,
    stderr: true,
    privileged: false,
    detachKeys: '',
    ...changes,
  });
  const run = async (args: string[], changes: Partial<NewExec> = {}) => {
    const exec = await t.engine.createExec(id, request(args, changes));
    const attachment = await t.engine.startExec(exec, { detach: false, signal: never });
    const text = await textOf(attachment?.output ?? (async function* () {})());
    const { exitCode, running } = t.engine.exec(exec);
    return { text, exitCode, running };
  };
  return { ...t, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose](), id, request, run };
}

test('exit codes are known when the output has ended', { timeout: 30_000 }, async () => {
  await using t = await idle();
  for (let code = 0; code < 10; code += 1) {
    assert.deepEqual(await t.run(['sh', '-c', `echo ${code}; exit ${code}`]), { text: `${code}\n`, exitCode: code, running: false });
  }
});

test('a command that is missing is an exec that ended with 127, one that is no program with 126', { timeout: 20_000 }, async () => {
  await using t = await idle();
  const missing = await t.run(['nope']);
  assert.deepEqual(missing, {
    text: 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown\r\n',
    exitCode: 127,
    running: false,
  });
  assert.equal((await t.run(['/etc/passwd'])).exitCode, 126);
  const detached = await t.engine.createExec(t.id, t.request(['nope']));
  await assert.rejects(t.engine.startExec(detached, { detach: true, signal: never }), { code: 'command-not-found' });
  assert.equal(t.engine.exec(detached).exitCode, 127);
});

test('an exec runs once', { timeout: 20_000 }, async () => {
  await using t = await idle();
  const exec = await t.engine.createExec(t.id, t.request(['cat'], { stdin: true }));
  const attachment = await t.engine.startExec(exec, { detach: false, signal: never });
  assert.deepEqual(t.engine.container(t.id).execIds, [exec]);
  await assert.rejects(t.engine.startExec(exec, { detach: true, signal: never }), { kind: 'conflict' });
  await attachment?.writeStdin(Buffer.from('through'));
  await attachment?.endStdin();
  assert.equal(await textOf(attachment?.output ?? (async function* () {})()), 'through');
  await assert.rejects(t.engine.startExec(exec, { detach: true, signal: never }), { kind: 'conflict' });
  assert.deepEqual(t.engine.container(t.id).execIds, []);
  assert.throws(() => t.engine.exec('f00'), { message: 'No such exec instance: f00' });
});

test('a client that leaves does not hold the command up', { timeout: 20_000 }, async () => {
  await using t = await idle();
  const leaving = new AbortController();
  const exec = await t.engine.createExec(t.id, t.request(['sh', '-c', 'head -c 3000000 /dev/zero; exit 5']));
  await t.engine.startExec(exec, { detach: false, signal: leaving.signal });
  leaving.abort();
  while (t.engine.exec(exec).running) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(t.engine.exec(exec).exitCode, 5);
});

test('refused where nothing runs, or all is frozen; ended with the container', { timeout: 20_000 }, async () => {
  await using t = await idle();
  await t.engine.pauseContainer(t.id);
  await assert.rejects(t.engine.createExec(t.id, t.request(['true'])), {
    kind: 'conflict',
    message: `container ${t.id} is paused, unpause the container before exec`,
  });
  await t.engine.unpauseContainer(t.id);
  const exec = await t.engine.createExec(t.id, t.request(['sleep', '1000']));
  const attachment = await t.engine.startExec(exec, { detach: false, signal: never });
  await t.engine.killContainer(t.id, 9);
  await textOf(attachment?.output ?? (async function* () {})());
  assert.equal(t.engine.exec(exec).exitCode, 137);
  await assert.rejects(t.engine.createExec(t.id, t.request(['true'])), { kind: 'conflict', message: `container ${t.id} is not running` });
});
