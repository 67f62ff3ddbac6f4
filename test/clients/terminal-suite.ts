import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../oracle/index.ts';
import type { BerthSide } from './berth-side.ts';
import type { Sides } from './sides.ts';
import { Terminal } from './terminal.ts';

const limit = { timeout: 120_000 };

/** What people do: a terminal before the docker command. */
export function terminalSuite(sides: Sides): void {
  describe('the docker command on a terminal', { timeout: 1200_000 }, () => {
    let berth: BerthSide;
    before(() => {
      berth = sides.berth;
    });
    after(async () => {
      await berth.docker.run(['rm', '-f', 'tty-run', 'tty-detach', 'tty-exec']);
    });
    const phase = async (name: string) => berth.docker.ok(['inspect', '-f', '{{.State.Status}}', name]);

    test('run -it: a prompt, what is typed, the exit code, the size of the window', limit, async () => {
      await using terminal = new Terminal(berth.docker, ['run', '-it', '--name', 'tty-run', 'busybox', 'sh']);
      await terminal.shows(/[#$] /);
      terminal.type('echo ty""ped\r');
      await terminal.shows(/typed\r/);
      terminal.type('stty size\r');
      await terminal.shows(/30 100/);
      terminal.resize({ columns: 90, rows: 20 });
      await terminal.shows(/./);
      terminal.type('sleep 0.3; stty size\r');
      await terminal.shows(/20 90/);
      terminal.type('exit 9\r');
      assert.equal(await terminal.exitCode(), 9);
      assert.equal(await phase('tty-run'), 'exited');
    });

    test('the detach keys leave it running; attach comes back; other keys can be chosen', limit, async () => {
      await using first = new Terminal(berth.docker, ['run', '-it', '--name', 'tty-detach', 'busybox', 'sh']);
      await first.shows(/[#$] /);
      first.type('\x10\x11');
      assert.equal(await first.exitCode(), 0);
      assert.equal(await phase('tty-detach'), 'running');

      await using second = new Terminal(berth.docker, ['attach', '--detach-keys', 'ctrl-a,x', 'tty-detach']);
      second.type('echo a""gain\r');
      await second.shows(/again\r/);
      second.type('\x01x');
      await second.shows(/read escape sequence/);
      // The client's own way to say so; it is the same on dockerd.
      assert.equal(await second.exitCode(), 1);
      assert.equal(await phase('tty-detach'), 'running');
      assert.equal((await berth.docker.run(['attach', '--detach-keys', 'ctrl-nope', 'tty-detach'])).exitCode, 1);
      await berth.docker.ok(['rm', '-f', 'tty-detach']);
    });

    test('exec -it: a shell more, ctrl-c, its exit code', limit, async () => {
      await berth.docker.ok(['run', '-d', '--name', 'tty-exec', 'busybox', 'sleep', '1000']);
      await using terminal = new Terminal(berth.docker, ['exec', '-it', 'tty-exec', 'sh']);
      await terminal.shows(/[#$] /);
      terminal.type('echo be""gun; sleep 100\r');
      await terminal.shows(/begun/);
      // Not before: between its two commands the signal would be the shell's own.
      await until('it sleeps', 15_000, async () => /sleep 100$/m.test(await berth.docker.ok(['top', 'tty-exec'])));
      terminal.type('\x03');
      await terminal.shows(/\^C/);
      terminal.type('echo status $?\r');
      await terminal.shows(/status 130/);
      terminal.type('exit 4\r');
      assert.equal(await terminal.exitCode(), 4);
      assert.equal(await phase('tty-exec'), 'running');
    });
  });
}
