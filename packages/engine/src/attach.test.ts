import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { openTestEngine, textOf } from './stand-ins/index.ts';

const never = new AbortController().signal;
const both = { stdin: false, stdout: true, stderr: true, logs: false, stream: true, signal: never };

test('a hundred megabytes reach a slow client whole, and nobody waits for it', { timeout: 120_000 }, async () => {
  await using t = await openTestEngine();
  const megabytes = 100;
  const { id } = await t.engine.createContainer(t.container(['sh', '-c', `yes 0123456789abcde | head -c ${megabytes << 20}`], { autoRemove: true }));
  const slow = await t.engine.attachContainer(id, both);
  const fast = await t.engine.attachContainer(id, both);
  const removed = t.engine.waitContainer(id, 'removed', never);
  await t.engine.startContainer(id);
  const digest = async (output: AsyncIterable<{ data: Buffer }>) => {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const { data } of output) bytes += hash.update(data) && data.length;
    return { bytes, hash: hash.digest('hex') };
  };
  const first = await digest(fast.output);
  await removed;
  // The container is gone, its log unlinked; this client has not read a byte yet.
  const second = await digest(slow.output);
  assert.deepEqual(second, first);
  const expected = createHash('sha256')
    .update(Buffer.alloc(megabytes << 20, '0123456789abcde\n'))
    .digest('hex');
  assert.deepEqual(first, { bytes: megabytes << 20, hash: expected });
});

test('attaching later shows what comes, or with the logs also what came', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const { id } = await t.engine.createContainer(t.container(['sh', '-c', 'echo one; read x; echo two'], { openStdin: true }));
  const first = await t.engine.attachContainer(id, both);
  await t.engine.startContainer(id);
  for await (const { data } of first.output) if (data.toString() === 'one\n') break;
  const fromNow = await t.engine.attachContainer(id, { ...both, stdin: true });
  const fromStart = await t.engine.attachContainer(id, { ...both, logs: true });
  const logsOnly = await t.engine.attachContainer(id, { ...both, logs: true, stream: false });
  assert.equal(await textOf(logsOnly.output), 'one\n');
  await fromNow.writeStdin(Buffer.from('\n'));
  assert.equal(await textOf(fromNow.output), 'two\n');
  assert.equal(await textOf(fromStart.output), 'one\ntwo\n');
});

test('several clients write; only with stdinOnce does the first to go close the input', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const input = { ...both, stdin: true };
  const shared = await t.engine.createContainer(t.container(['cat'], { openStdin: true }));
  const [a, b] = [await t.engine.attachContainer(shared.id, input), await t.engine.attachContainer(shared.id, input)];
  await t.engine.startContainer(shared.id);
  await a.writeStdin(Buffer.from('a'));
  await a.endStdin();
  await b.writeStdin(Buffer.from('b'));
  let text = '';
  for await (const { data } of b.output) {
    text += data;
    if (text === 'ab') break;
  }
  await t.engine.killContainer(shared.id, 9);

  const once = await t.engine.createContainer(t.container(['cat'], { openStdin: true, stdinOnce: true }));
  const leaving = new AbortController();
  const client = await t.engine.attachContainer(once.id, { ...input, signal: leaving.signal });
  await t.engine.startContainer(once.id);
  await client.writeStdin(Buffer.from('last words'));
  const exit = t.engine.waitContainer(once.id, 'not-running', never);
  leaving.abort();
  assert.deepEqual(await exit, { exitCode: 0 });
});

test('a client that attached to a run that never began is let go', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const { id } = await t.engine.createContainer(t.container(['nope'], { openStdin: true, stdinOnce: true }));
  const client = await t.engine.attachContainer(id, { ...both, stdin: true });
  const written = client.writeStdin(Buffer.from('for nobody'));
  await assert.rejects(t.engine.startContainer(id), { code: 'command-not-found' });
  assert.equal(await textOf(client.output), '');
  await written;
});

test('a terminal: size, resize event, all output on stdout', { timeout: 20_000 }, async () => {
  await using t = await openTestEngine();
  const script = 'trap "stty size; exit 0" WINCH; echo ready >&2; while :; do sleep 0.05; done';
  const { id } = await t.engine.createContainer(t.container(['sh', '-c', script], { terminal: true, openStdin: true, stdinOnce: true }));
  const client = await t.engine.attachContainer(id, { ...both, stdin: true });
  await assert.rejects(t.engine.resizeContainer(id, { columns: 80, rows: 24 }), { code: 'not-running' });
  await t.engine.startContainer(id);
  let text = '';
  for await (const { stream, data } of client.output) {
    assert.equal(stream, 'stdout');
    if (text === '') await t.engine.resizeContainer(id, { columns: 101, rows: 42 });
    text += data;
  }
  assert.equal(text, 'ready\r\n42 101\r\n');
});
