import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';
import { Berth } from '../berth/index.ts';
import { Oracle, until } from '../oracle/index.ts';
import { debianPythonTar } from './debian-image.ts';
import { Terminal } from './terminal.ts';

const questions = Number(process.env['BERTH_REAL_QUESTIONS'] ?? 10_000);
const passers = 20;

describe('a Debian root file system with Python, imported with the stock client', { timeout: 470_000 }, () => {
  let berth: Berth | Oracle;
  before(async () => {
    const tar = await debianPythonTar();
    // The same questions to a real dockerd show that the questions are right.
    berth = await (process.env['BERTH_REAL_ENGINE'] === 'dockerd' ? Oracle : Berth).open();
    const id = await berth.docker.ok(['import', '-c', 'CMD ["bash"]', tar, 'debian-python:12'], { timeoutMs: 120_000 });
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
  });
  after(() => berth?.[Symbol.asyncDispose]());

  test('it is Debian, and its Python computes', async () => {
    assert.match(await berth.docker.ok(['run', '--rm', 'debian-python:12', 'cat', '/etc/os-release']), /Debian GNU\/Linux 12/);
    const program =
      'import hashlib, os, tempfile; f = tempfile.NamedTemporaryFile(); f.write(b"x" * 10**6); f.flush(); print(hashlib.sha256(open(f.name, "rb").read()).hexdigest(), os.getpid())';
    // sha256 of a million times the letter x.
    assert.equal(
      await berth.docker.ok(['run', '--rm', 'debian-python:12', 'python3', '-c', program]),
      '1b977e9f84f1b26b6ed7f68b0498faee2385ea4125bd29adce4a7d9106ba3134 1',
    );
  });

  test('an interactive shell in it', async () => {
    const { docker } = berth;
    await using terminal = Terminal.open(docker.command, docker.arguments(['run', '--rm', '-it', '--name', 'shell', 'debian-python:12']), {
      env: docker.environment,
      columns: 91,
      rows: 33,
    });
    await terminal.sees(/root@[0-9a-f]{12}:\/#/);
    terminal.type('tty\r');
    await terminal.sees(/[\r\n]\/dev\/(pts\/\d+|console)\r/);
    // The client tells the size after the start, so the first answer may still be the old one.
    const seesSize = (size: RegExp) =>
      until(`the size ${size}`, 20_000, async () => {
        terminal.forget();
        terminal.type('echo size $(stty size)\r');
        return terminal.sees(size, 1_000).then(
          () => true,
          () => false,
        );
      });
    await seesSize(/size 33 91\r/);
    terminal.resize({ columns: 120, rows: 40 });
    await seesSize(/size 40 120\r/);
    terminal.forget();
    terminal.type('sleep 1000\r');
    await until('sleep runs', 20_000, async () => (await docker.ok(['top', 'shell'])).includes('sleep 1000'));
    terminal.type('\x03');
    await terminal.sees(/\^C/);
    terminal.type('echo status $?\r');
    await terminal.sees(/status 130\r/);
    terminal.type('python3 -c "print(6 * 7)"\r');
    await terminal.sees(/[\r\n]42\r/);
    terminal.type('exit 5\r');
    assert.equal(await terminal.ended(), 5);
  });

  test(`a web server in it, asked ${questions} times while ${passers} others start and stop`, async (t) => {
    const { docker } = berth;
    const program = await readFile(new URL('server.py', import.meta.url), 'utf8');
    await docker.ok(['run', '-d', '--name', 'web', '-p', '8080:8000', 'debian-python:12', 'python3', '-c', program]);
    const inside = async (args: string[], timeoutMs: number) => {
      const [command, all] = berth.netns.enter(process.execPath, [fileURLToPath(new URL('load.mjs', import.meta.url)), ...args]);
      return JSON.parse((await run(command, all, { timeoutMs })).stdout) as {
        asked: number;
        wrong: number;
        first: string[];
        seconds: number;
        medianMs: number;
        p95Ms: number;
      };
    };
    await until('it answers', 60_000, async () => (await inside(['http://127.0.0.1:8080', '1', '1', 'close'], 30_000)).wrong === 0);
    let passed = 0;
    const passing = (async () => {
      for (let wave = 0; wave < passers / 5; wave++) {
        await Promise.all(
          Array.from({ length: 5 }, async (_, index) => {
            const name = `passer-${wave}-${index}`;
            await docker.ok(['run', '-d', '--name', name, '-p', '8000', 'busybox', 'sleep', '1000'], { timeoutMs: 120_000 });
            await docker.ok(['stop', '-t', '0', name], { timeoutMs: 120_000 });
            await docker.ok(['rm', name], { timeoutMs: 120_000 });
            passed++;
          }),
        );
      }
    })();
    passing.catch(() => undefined);
    const half = String(Math.floor(questions / 2));
    for (const mode of ['keep', 'close']) {
      const result = await inside(['http://127.0.0.1:8080', half, '4', mode], 180_000);
      t.diagnostic(`${mode}: ${JSON.stringify(result)}`);
      assert.equal(result.asked, Number(half));
      assert.deepEqual(result.first, []);
      assert.equal(result.wrong, 0);
    }
    await passing;
    assert.equal(passed, passers);
    assert.doesNotMatch(await docker.ok(['ps', '-a', '--format', '{{.Names}}']), /passer/);
  });
});
