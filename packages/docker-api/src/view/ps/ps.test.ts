import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFault } from '@berth/kit';
import type { ProcessRow } from '@berth/runtime';
import { readPsArguments } from './arguments.ts';
import { topView } from './top.ts';

const nowMs = Date.UTC(2026, 10, 25, 7, 30, 0);
const shell: ProcessRow = {
  uid: 0,
  euid: 0,
  gid: 0,
  pid: 1,
  ppid: 0,
  pgid: 1,
  sid: 1,
  startedAtMs: nowMs - 125_000,
  cpuMs: 61_000,
  tty: 'pts/0',
  isForeground: true,
  name: 'sh',
  command: 'sh -c work',
  rssBytes: 4 << 20,
  virtualBytes: 8 << 20,
  state: 'S',
  flags: 0x400100,
  nice: 0,
  priority: 20,
  schedulingClass: 0,
  threads: 1,
  processor: 0,
  minorFaults: 10,
  majorFaults: 2,
};
const worker: ProcessRow = {
  ...shell,
  uid: 5,
  euid: 5,
  pid: 7,
  ppid: 1,
  pgid: 7,
  isForeground: false,
  name: 'worker',
  command: 'worker --fast',
  nice: 5,
  threads: 3,
  cpuMs: 0,
};

const top = (args: string, rows: readonly ProcessRow[] = [shell, worker]) => topView(rows, readPsArguments(args), { nowMs, memoryBytes: 64 << 20 });

test('the formats of ps: the default, full, long, jobs, and BSD’s', () => {
  assert.deepEqual(top('-ef'), {
    Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
    Processes: [
      ['root', '1', '0', '48', '07:27', 'pts/0', '00:01:01', 'sh -c work'],
      ['5', '7', '1', '0', '07:27', 'pts/0', '00:00:00', 'worker --fast'],
    ],
  });
  assert.deepEqual(top('aux', [worker]), {
    Titles: ['USER', 'PID', '%CPU', '%MEM', 'VSZ', 'RSS', 'TTY', 'STAT', 'START', 'TIME', 'COMMAND'],
    Processes: [['5', '7', '0.0', '6.3', '8192', '4096', 'pts/0', 'SNl', '07:27', '0:00', 'worker --fast']],
  });
  assert.deepEqual(top('-aux').Titles, top('aux').Titles);
  assert.deepEqual(top('-l').Titles, ['F', 'S', 'UID', 'PID', 'PPID', 'C', 'PRI', 'NI', 'ADDR', 'SZ', 'WCHAN', 'TTY', 'TIME', 'CMD']);
  assert.deepEqual(top('-l').Processes[0], ['4', 'S', '0', '1', '0', '48', '80', '0', '-', '2048', '-', 'pts/0', '00:01:01', 'sh']);
  assert.deepEqual(top('-ly').Titles.slice(0, 3), ['S', 'UID', 'PID']);
  assert.deepEqual(top('-ejf').Titles, ['UID', 'PID', 'PPID', 'PGID', 'SID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
  assert.deepEqual(top('x').Processes[0], ['1', 'pts/0', 'Ss+', '1:01', 'sh -c work']);
});

test('columns by name, with titles of one’s own', () => {
  assert.deepEqual(top('-eo pid,comm'), {
    Titles: ['PID', 'COMMAND'],
    Processes: [
      ['1', 'sh'],
      ['7', 'worker'],
    ],
  }); // prettier-ignore
  assert.deepEqual(top('-o pid -o user=WHO --format=etime,etimes,lstart').Processes[1], ['7', '5', '02:05', '125', 'Wed Nov 25 07:27:55 2026']);
  assert.deepEqual(top('-O comm').Titles, ['PID', 'COMMAND', 'S', 'TTY', 'TIME', 'COMMAND']);
  assert.deepEqual(top('axo pid,ni,pri,nlwp,min_flt,maj_flt,cls').Processes[1], ['7', '5', '19', '3', '10', '2', 'TS']);
});

test('selections, order and ancestry', () => {
  const pids = (args: string) => top(args).Processes.map((cells) => cells[0]);
  assert.deepEqual(pids('-o pid -C worker'), ['7']);
  assert.deepEqual(pids('-o pid -p 1'), ['1']);
  assert.deepEqual(pids('-o pid --ppid 1'), ['7']);
  assert.deepEqual(pids('-o pid -u root'), ['1']);
  assert.deepEqual(pids('-eo pid -C worker'), ['1', '7']);
  assert.deepEqual(pids('-eo pid --sort -pid'), ['7', '1']);
  assert.deepEqual(top('axf').Processes[1]?.at(-1), '\\_ worker --fast');
});

test('what is wrong is said in the words of ps and dockerd', () => {
  const refusals: [string, RegExp][] = [
    ['-o comm', /^Couldn't find PID field in ps output$/],
    ['-eo pid=X', /^Couldn't find PID/],
    ['-ef --no-headers', /^Couldn't find PID/],
    ['-eo user=PID,pid', /^specifying "user=PID,pid" is not allowed$/],
    ['-o pid,nope', /^ps: error: unknown user-defined format specifier "nope"$/],
    ['-zzz', /^ps: error: unsupported SysV option$/],
    ['-y', /^ps: error: modifier -y without format -l makes no sense$/],
    ['-eLf', /not supported by Berth yet/],
    ['-o pid,uss', /ps's column uss is not supported by Berth yet: a virtual machine does not report it/],
    ['v', /not supported by Berth yet/],
  ];
  for (const [args, message] of refusals) assert.throws(() => top(args), { message }, args);
});

test('any arguments are answered or refused, never worse', () => {
  const words = fc.stringMatching(/^[-a-zA-Z0-9=,%_]{0,6}$/);
  fc.assert(
    fc.property(fc.array(words, { maxLength: 4 }), (list) => {
      try {
        const { Titles, Processes } = top(list.join(' '));
        for (const cells of Processes) assert.equal(cells.length, Titles.length);
      } catch (error) {
        if (!isFault(error)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});
