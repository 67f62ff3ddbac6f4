import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { GuestConnection } from '@berth/guest-protocol';
import type { ProcessSpec } from '@berth/runtime';
import { containerSpec, processSpec, Recorder } from './testing/container.ts';
import { NativeAgent } from './testing/native-agent.ts';

const sh = (script: string, changes: Partial<ProcessSpec> = {}): ProcessSpec => processSpec(['sh', '-c', script], changes);

/** Starts a shell in an agent of its own and waits for its end. */
async function runShell(script: string, changes: Partial<ProcessSpec> = {}) {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  const recorder = new Recorder();
  await connection.start(containerSpec(sh(script, changes)));
  connection.follow(recorder);
  return { status: await connection.exited, recorder };
}

test('output, exit code and order of a process', async () => {
  const { status, recorder } = await runShell('echo one; echo two >&2; exit 7');
  assert.equal(status.exitCode, 7);
  assert.equal(recorder.text('stdout'), 'one\n');
  assert.equal(recorder.text('stderr'), 'two\n');
});

test("a killed process counts as 128 and its signal; process 1 follows the kernel's rules", async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  const recorder = new Recorder();
  await connection.start(containerSpec(sh('trap "echo usr1" USR1; echo ready; while :; do sleep 0.05; done')));
  connection.follow(recorder);
  await recorder.until(/ready/);
  await connection.signal(15); // no handler: ignored by process 1
  await connection.signal(10);
  await recorder.until(/usr1/);
  await connection.signal(9);
  assert.equal((await connection.exited).exitCode, 137);
  await assert.rejects(connection.signal(9), { code: 'not-running' });
});

test('binary output comes back bit for bit, far beyond the journal', async () => {
  const { status, recorder } = await runShell('head -c 20000000 /dev/urandom | tee /proc/self/fd/2 | sha256sum');
  assert.equal(status.exitCode, 0);
  const data = recorder.bytes('stderr');
  assert.equal(data.length, 20_000_000);
  assert.equal(createHash('sha256').update(data).digest('hex'), recorder.text('stdout').slice(0, 64));
});

test('a connection that is cut anywhere costs no byte and repeats none', async () => {
  await using agent = await NativeAgent.open();
  let connection = await agent.prepared();
  const recorder = new Recorder();
  await connection.start(containerSpec(sh('i=0; while [ $i -lt 60000 ]; do echo "line $i"; i=$((i+1)); done; exit 3')));
  let cuts = 0;
  let code: number | undefined;
  while (code === undefined) {
    const current = connection;
    let budget = 1 + Math.floor(Math.random() * 40);
    current.follow({
      get position() {
        return recorder.position;
      },
      write(stream, data, offset) {
        recorder.write(stream, data, offset);
        // As a daemon killed between keeping a piece and acknowledging it, or before.
        if (--budget === 0) void current[Symbol.asyncDispose]();
      },
    });
    code = await Promise.race([current.exited.then((status) => status.exitCode), current.closed.then(() => undefined)]);
    if (code === undefined) {
      cuts++;
      connection = await agent.connect({ resume: true });
    }
  }
  await connection[Symbol.asyncDispose]();
  assert.equal(code, 3);
  assert.ok(cuts > 3, `only ${cuts} cuts`);
  assert.equal(recorder.text(), Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`).join(''));
});

test('an exit that nobody heard is told again', async () => {
  await using agent = await NativeAgent.open();
  {
    await using first = await agent.prepared();
    await first.start(containerSpec(sh('echo bye; exit 9')));
  }
  for (let i = 0; i < 3; i++) {
    await using again = await agent.connect({ resume: true });
    const recorder = new Recorder();
    // Only the first listener acknowledges the output.
    if (i > 0) recorder.position = 4;
    again.follow(recorder);
    assert.equal((await again.exited).exitCode, 9);
    assert.equal(recorder.text(), i === 0 ? 'bye\n' : '');
  }
});

test('a sink that is slow holds the process back, and loses nothing', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let got = 0;
  await connection.start(containerSpec(sh('head -c 8000000 /dev/zero; echo done >&2')));
  const probe = await connection.exec(sh('sleep 0.3; cat /proc/1/io'), new Recorder());
  connection.follow({
    position: 0,
    async write(_stream, data) {
      await gate;
      got += data.length;
    },
  });
  await probe.exited;
  const rows = await connection.processes();
  assert.ok(
    rows.some((row) => row.command.startsWith('head')),
    'the writer still runs: it is held back',
  );
  release();
  assert.equal((await connection.exited).exitCode, 0);
  assert.equal(got, 8_000_005);
});

test('standard input arrives whole, and its end too', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  const data = randomBytes(3_000_000);
  const recorder = new Recorder();
  await connection.start(containerSpec(sh('sha256sum', { stdin: true })));
  connection.follow(recorder);
  await connection.writeStdin(data);
  await connection.closeStdin();
  await connection.exited;
  assert.equal(recorder.text().slice(0, 64), createHash('sha256').update(data).digest('hex'));
});

test('standard input that nobody reads harms nobody', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  await connection.start(containerSpec(sh('exec 0<&-; sleep 0.2; exit 4', { stdin: true })));
  connection.follow(new Recorder());
  await connection.writeStdin(randomBytes(1_000_000));
  assert.equal((await connection.exited).exitCode, 4);
  await connection.writeStdin(randomBytes(100_000));
});

test('without standard input a process reads its end', async () => {
  const { recorder } = await runShell('cat; echo end');
  assert.equal(recorder.text(), 'end\n');
});

test('a terminal: size, echo, hang-up, and one stream', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  const recorder = new Recorder();
  const spec = sh('stty size; test -t 0 && test -t 1 && test -t 2 && echo tty; read line; stty size; echo "got $line"; cat', {
    terminal: true,
    stdin: true,
    terminalSize: { columns: 100, rows: 30 },
  });
  await connection.start(containerSpec(spec));
  connection.follow(recorder);
  await recorder.until(/30 100\r\ntty\r\n/);
  await connection.resize({ columns: 120, rows: 40 });
  await connection.writeStdin(Buffer.from('x\n'));
  await recorder.until(/40 120\r\ngot x\r\n/);
  await connection.writeStdin(Buffer.from('\x04'));
  assert.equal((await connection.exited).exitCode, 0);
  assert.equal(recorder.bytes('stderr').length, 0);
});

test("Docker's sentences when a command cannot run", async () => {
  const cases: [Partial<ProcessSpec> & { args: string[] }, string, string][] = [
    [{ args: ['nope'] }, 'command-not-found', 'exec: "nope": executable file not found in $PATH'],
    [{ args: ['/no/where'] }, 'command-not-found', 'exec: "/no/where": stat /no/where: no such file or directory'],
    [{ args: ['/etc/passwd'] }, 'command-not-executable', 'exec: "/etc/passwd": permission denied'],
    [{ args: ['/etc'] }, 'command-not-executable', 'exec: "/etc": is a directory'],
    [{ args: ['true'], user: 'nobody-such' }, 'user-not-found', 'unable to find user nobody-such: no matching entries in passwd file'],
    [{ args: ['true'], user: 'root:nogrp' }, 'user-not-found', 'unable to find group nogrp: no matching entries in group file'],
    [{ args: ['true'], cwd: '/etc/passwd/x' }, 'cwd-invalid', 'mkdir /etc/passwd/x: not a directory'],
  ];
  for (const [changes, code, message] of cases) {
    await using agent = await NativeAgent.open();
    await using connection = await agent.prepared();
    await assert.rejects(connection.start(containerSpec(processSpec(changes.args, changes))), { code, message });
  }
});

test('execs: 49 at once, exit codes, input, and a missing command', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  await connection.start(containerSpec(sh('sleep 1000')));
  connection.follow(new Recorder());
  const codes = await Promise.all(
    Array.from({ length: 49 }, async (_, i) => {
      const recorder = new Recorder();
      const running = await connection.exec(sh(`echo ${i}; exit ${i}`), recorder);
      const status = await running.exited;
      assert.equal(recorder.text(), `${i}\n`);
      return status.exitCode;
    }),
  );
  assert.deepEqual(
    codes,
    Array.from({ length: 49 }, (_, i) => i),
  );
  await assert.rejects(connection.exec(processSpec(['nope']), new Recorder()), { code: 'command-not-found' });
  await assert.rejects(connection.exec(processSpec(['true'], { cwd: '/nope' }), new Recorder()), {
    code: 'cwd-invalid',
    message: 'chdir to cwd ("/nope") set in config.json failed: no such file or directory',
  });
  const recorder = new Recorder();
  const data = randomBytes(500_000);
  const cat = await connection.exec(processSpec(['cat'], { stdin: true }), recorder);
  await cat.writeStdin(data);
  await cat.closeStdin();
  assert.equal((await cat.exited).exitCode, 0);
  assert.ok(recorder.bytes().equals(data));
  const sleeper = await connection.exec(processSpec(['sleep', '1000']), new Recorder());
  await sleeper.signal(15);
  assert.equal((await sleeper.exited).exitCode, 143);
  await connection.signal(9);
  assert.equal((await connection.exited).exitCode, 137);
  await assert.rejects(connection.exec(processSpec(['true']), new Recorder()), { code: 'not-running' });
});

test('an exec ends when its process does, whatever it left behind', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  await connection.start(containerSpec(sh('sleep 1000')));
  connection.follow(new Recorder());
  const recorder = new Recorder();
  const running = await connection.exec(sh('echo before; sleep 500 & exit 5'), recorder);
  assert.equal((await running.exited).exitCode, 5);
  assert.equal(recorder.text(), 'before\n');
});

test('a lost listener does not stop an exec', async () => {
  await using agent = await NativeAgent.open();
  let connection = await agent.prepared();
  await connection.start(containerSpec(sh('sleep 1000')));
  const marker = `/tmp/berth-${randomBytes(6).toString('hex')}`;
  await connection.exec(sh(`head -c 3000000 /dev/zero; sleep 0.2; echo x > ${marker}; sleep 1000`), new Recorder());
  await connection[Symbol.asyncDispose]();
  connection = await agent.connect({ resume: true });
  const check = new Recorder();
  const running = await connection.exec(sh(`while ! [ -s ${marker} ]; do sleep 0.02; done; rm ${marker}; echo seen`), check);
  await running.exited;
  assert.equal(check.text(), 'seen\n');
  await connection[Symbol.asyncDispose]();
});

test('--init: process 1 passes signals on and takes over the exit code', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  const recorder = new Recorder();
  await connection.start(containerSpec(sh('trap "echo term; exit 5" TERM; echo $$; (sleep 0.01 &) ; while :; do sleep 0.05; done'), { init: true }));
  connection.follow(recorder);
  await recorder.until(/^2\n/);
  await connection.signal(15);
  assert.equal((await connection.exited).exitCode, 5);
  assert.match(recorder.text(), /term/);
});

test('who a process is: user, groups, capabilities, limits, environment', async () => {
  const { recorder } = await runShell('id -u; id -G; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; ulimit -n; echo $HOME; pwd', {
    user: 'nobody:daemon',
    additionalGroups: ['mail', '4242'],
    noNewPrivileges: true,
    rlimits: [{ name: 'nofile', soft: 123, hard: 456 }],
    cwd: '/usr',
  });
  const lines = recorder.text().split('\n');
  assert.deepEqual(lines.slice(0, 2), ['65534', '1 8 4242']);
  assert.match(lines[2] ?? '', /0000000000000000$/);
  assert.match(lines[3] ?? '', /1$/);
  assert.deepEqual(lines.slice(4, 7), ['123', '/nonexistent', '/usr']);
  const root = await runShell('grep -E "CapEff|CapBnd" /proc/self/status');
  assert.equal(root.recorder.text(), 'CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n');
});

test('processes are told by the numbers the container sees', async () => {
  await using agent = await NativeAgent.open();
  await using connection = await agent.prepared();
  const recorder = new Recorder();
  await connection.start(containerSpec(sh('sleep 1000 & echo up; wait')));
  connection.follow(recorder);
  await recorder.until(/up/);
  const running = await connection.exec(processSpec(['sleep', '2000'], { user: 'nobody' }), new Recorder());
  const rows = (await connection.processes()).sort((a, b) => a.pid - b.pid);
  assert.deepEqual(
    rows.map((row) => [row.pid, row.ppid, row.uid, row.command]),
    [
      [1, 0, 0, 'sh -c sleep 1000 & echo up; wait'],
      [2, 1, 0, 'sleep 1000'],
      [running.pid, 0, 65534, 'sleep 2000'],
    ],
  );
  for (const row of rows) assert.ok(Math.abs(row.startedAtMs - Date.now()) < 60_000);
});

test('noise on the line, then a resuming hello', async () => {
  await using agent = await NativeAgent.open();
  {
    await using first = await agent.prepared();
    await first.start(containerSpec(sh('echo alive; sleep 1000')));
  }
  for (let i = 0; i < 5; i++) {
    const socket = await agent.dial();
    socket.write(randomBytes(50_000));
    await using connection = new GuestConnection(socket);
    const state = await connection.hello({ resume: true, signal: AbortSignal.timeout(10_000) });
    assert.equal(state.phase, 'running');
    const recorder = new Recorder();
    // The first run through acknowledges it; asked from the start again, nothing is left to repeat.
    connection.follow(recorder);
    if (i === 0) await recorder.until(/alive/);
  }
});
