import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestEngine } from './stand-ins/index.ts';

const never = new AbortController().signal;
const text = async (output: AsyncIterable<{ data: Buffer }>) => {
  const parts: Buffer[] = [];
  for await (const { data } of output) parts.push(data);
  return Buffer.concat(parts).toString();
};

test('create, attach, wait, start: output, exit code and log are there', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const { engine } = t;
  const { id } = await engine.createContainer(t.container(['sh', '-c', 'echo out; echo err >&2; exit 7'], { name: 'c1' }));
  const attachment = await engine.attachContainer(id, { stdin: false, stdout: true, stderr: true, logs: false, stream: true, signal: never });
  const waited = engine.waitContainer('c1', 'next-exit', never);
  await engine.startContainer('/c1');
  const said = await text(attachment.output);
  assert.deepEqual([...said.split('\n')].sort(), ['', 'err', 'out']);
  assert.deepEqual(await waited, { exitCode: 7 });
  const view = engine.container('c1');
  assert.equal(view.state.phase, 'exited');
  assert.equal(view.state.exitCode, 7);
  const lines: string[] = [];
  for await (const batch of engine.logs('c1', { stdout: true, stderr: true, follow: true, signal: never })) {
    for (const { stream, data } of batch) lines.push(`${stream} ${data}`);
  }
  assert.deepEqual(lines.sort(), ['stderr err\n', 'stdout out\n']);
  await engine.removeContainer('c1', { force: false, volumes: false });
  assert.throws(() => engine.container('c1'), { code: 'container-not-found', message: 'No such container: c1' });
  assert.deepEqual(await t.runtime.list(), []);
  assert.equal(t.images.leases.size, 0);
  assert.equal(t.networking.endpoints.size, 0);
});

test('run --rm -i: stdin, events in order, removal after the exit', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const { engine } = t;
  const listening = new AbortController();
  const events = engine.events({ signal: listening.signal });
  const { id } = await engine.createContainer(t.container(['cat'], { autoRemove: true, openStdin: true, stdinOnce: true }));
  const attachment = await engine.attachContainer(id, { stdin: true, stdout: true, stderr: true, logs: false, stream: true, signal: never });
  const removed = engine.waitContainer(id, 'removed', never);
  const sent = attachment.writeStdin(Buffer.from('hello')).then(() => attachment.endStdin());
  await engine.startContainer(id);
  assert.equal(await text(attachment.output), 'hello');
  await sent;
  assert.deepEqual(await removed, { exitCode: 0 });
  listening.abort();
  const actions: string[] = [];
  for await (const { type, action } of events) actions.push(`${type} ${action}`);
  assert.deepEqual(actions, [
    'container create',
    'container attach',
    'network connect',
    'container start',
    'container die',
    'network disconnect',
    'container destroy',
  ]);
});

test('a command that is missing leaves a created container with code 127', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const { engine } = t;
  const { id } = await engine.createContainer(t.container(['nope']));
  await assert.rejects(engine.startContainer(id), {
    code: 'command-not-found',
    message: /OCI runtime create failed.*exec: "nope": executable file not found in \$PATH/,
  });
  const { state } = engine.container(id);
  assert.equal(state.phase, 'created');
  assert.equal(state.exitCode, 127);
  assert.equal(t.networking.endpoints.size, 0);
});
