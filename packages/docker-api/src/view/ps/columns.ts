import type { ProcessRow } from '@berth/runtime';

/** What the columns are worked out from, beside the process itself. */
export interface PsContext {
  readonly nowMs: number;
  /** What the container may have; for %MEM. */
  readonly memoryBytes: number;
}

export interface Column {
  readonly title: string;
  readonly text: (row: ProcessRow, context: PsContext) => string;
}

const classes = ['TS', 'FF', 'RR', 'B', '?', 'IDL', 'DLN'];
const two = (value: number) => String(value).padStart(2, '0');
const kib = (bytes: number) => String(Math.floor(bytes / 1024));

/** Users other than root are the image's; their names are not known outside. */
const nameOf = (id: number) => (id === 0 ? 'root' : String(id));

function cpuShare(row: ProcessRow, { nowMs }: PsContext): number {
  const ageMs = nowMs - row.startedAtMs;
  return ageMs <= 0 ? 0 : (row.cpuMs / ageMs) * 100;
}

function state(row: ProcessRow): string {
  const marks = [row.nice < 0 ? '<' : '', row.nice > 0 ? 'N' : '', row.sid === row.pid ? 's' : '', row.threads > 1 ? 'l' : '', row.isForeground ? '+' : ''];
  return row.state + marks.join('');
}

/** `[[dd-]hh:]mm:ss`; the hours always, for processor time. */
function clock(ms: number, withHours: boolean): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const head = days > 0 ? `${two(days)}-${two(hours)}:` : hours > 0 || withHours ? `${two(hours)}:` : '';
  return `${head}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

const month = (date: Date) => date.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' });
const isOld = (row: ProcessRow, { nowMs }: PsContext) => nowMs - row.startedAtMs >= 24 * 3_600_000;

function started(row: ProcessRow, context: PsContext, digits: number): string {
  const date = new Date(row.startedAtMs);
  return isOld(row, context) ? `${month(date)}${two(date.getUTCDate())}` : date.toISOString().slice(11, 11 + digits);
}

function startedLong({ startedAtMs }: ProcessRow): string {
  const date = new Date(startedAtMs);
  const day = date.toLocaleString('en-US', { weekday: 'short', timeZone: 'UTC' });
  return `${day} ${month(date)} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 19)} ${date.getUTCFullYear()}`;
}

const tty = (row: ProcessRow) => (row.tty === '' ? '?' : row.tty);
const bsdTime = ({ cpuMs }: ProcessRow) => `${Math.floor(cpuMs / 60_000)}:${two(Math.floor(cpuMs / 1000) % 60)}`;

type Row = readonly [title: string, text: Column['text'], ...names: string[]];

const rows: readonly Row[] = [
  ['PID', (row) => String(row.pid), 'pid', 'tgid'],
  ['PPID', (row) => String(row.ppid), 'ppid'],
  ['PGID', (row) => String(row.pgid), 'pgid'],
  ['PGRP', (row) => String(row.pgid), 'pgrp'],
  ['SID', (row) => String(row.sid), 'sid'],
  ['SESS', (row) => String(row.sid), 'sess', 'session'],
  ['LWP', (row) => String(row.pid), 'lwp', 'spid', 'tid'],
  ['NLWP', (row) => String(row.threads), 'nlwp'],
  ['THCNT', (row) => String(row.threads), 'thcount'],
  ['USER', (row) => nameOf(row.euid), 'user', 'uname'],
  ['EUSER', (row) => nameOf(row.euid), 'euser'],
  ['RUSER', (row) => nameOf(row.uid), 'ruser'],
  ['UID', (row) => String(row.euid), 'uid'],
  ['EUID', (row) => String(row.euid), 'euid'],
  ['RUID', (row) => String(row.uid), 'ruid'],
  ['GROUP', (row) => nameOf(row.gid), 'group'],
  ['EGROUP', (row) => nameOf(row.gid), 'egroup'],
  ['GID', (row) => String(row.gid), 'gid'],
  ['EGID', (row) => String(row.gid), 'egid'],
  ['TT', tty, 'tty', 'tt'],
  ['TTY', tty, 'tname'],
  ['STAT', state, 'stat'],
  ['S', (row) => row.state, 's', 'state'],
  ['F', (row) => ((row.flags >> 6) & 7).toString(8), 'f', 'flag', 'flags'],
  ['NI', (row) => String(row.nice), 'ni', 'nice'],
  ['PRI', (row) => String(39 - row.priority), 'pri'],
  ['PRI', (row) => String(60 + row.priority), 'opri', 'intpri'],
  ['CLS', (row) => classes[row.schedulingClass] ?? '?', 'cls', 'class', 'policy'],
  ['PSR', (row) => String(row.processor), 'psr'],
  ['VSZ', (row) => kib(row.virtualBytes), 'vsz', 'vsize'],
  ['RSS', (row) => kib(row.rssBytes), 'rss', 'rssize'],
  ['RSZ', (row) => kib(row.rssBytes), 'rsz'],
  ['SZ', (row) => String(Math.floor(row.virtualBytes / 4096)), 'sz'],
  ['SIZE', (row) => kib(row.virtualBytes), 'size'],
  ['MINFL', (row) => String(row.minorFaults), 'min_flt', 'minflt'],
  ['MAJFL', (row) => String(row.majorFaults), 'maj_flt', 'majflt'],
  ['%CPU', (row, context) => cpuShare(row, context).toFixed(1), '%cpu', 'pcpu'],
  ['C', (row, context) => String(Math.min(99, Math.floor(cpuShare(row, context)))), 'c'],
  ['%MEM', (row, { memoryBytes }) => (memoryBytes === 0 ? 0 : (row.rssBytes / memoryBytes) * 100).toFixed(1), '%mem', 'pmem'],
  ['TIME', (row) => clock(row.cpuMs, true), 'time', 'cputime'],
  ['TIME', (row) => String(Math.floor(row.cpuMs / 1000)), 'times', 'cputimes'],
  ['TIME', bsdTime, 'bsdtime'],
  ['ELAPSED', (row, { nowMs }) => clock(nowMs - row.startedAtMs, false), 'etime'],
  ['ELAPSED', (row, { nowMs }) => String(Math.max(0, Math.floor((nowMs - row.startedAtMs) / 1000))), 'etimes'],
  ['STIME', (row, context) => started(row, context, 5), 'stime'],
  ['START', (row, context) => started(row, context, 5), 'bsdstart', 'start_time'],
  ['STARTED', (row, context) => started(row, context, 8), 'start'],
  ['STARTED', startedLong, 'lstart'],
  ['COMMAND', (row) => row.name, 'comm', 'ucomm', 'fname'],
  ['CMD', (row) => row.name, 'ucmd'],
  ['COMMAND', (row) => row.command, 'args', 'command'],
  ['CMD', (row) => row.command, 'cmd'],
  // What the kernel of a machine keeps to itself: told as ps tells what it may not read.
  ['WCHAN', () => '-', 'wchan'],
  ['ADDR', () => '-', 'addr'],
  ['LABEL', () => '-', 'label'],
  ['TPGID', (row) => (row.isForeground ? String(row.pgid) : '-1'), 'tpgid'],
];

const byName: ReadonlyMap<string, Column> = new Map(rows.flatMap(([title, text, ...names]) => names.map((name) => [name, { title, text }] as const)));

/** The column of a `ps -o` word; `undefined` when it is none, or none that can be served. */
export function columnNamed(name: string): Column | undefined {
  return byName.get(name);
}

/** Words of `ps -o` that exist and need what no machine reports. */
export const columnsElsewhere: ReadonlySet<string> = new Set(
  'alarm blocked bsdname caught cgname cgroup cgroupns drs eip esp exe ignored ipcns lxc lsession lstart machine maj_delta min_delta mntns netns nwchan ouid pending pidns pss rtprio rops seat sched sgi_p sig sig_block sigcatch sigignore sigmask slice stackp suid suser svgid svuid supgid supgrp tmout timens trs unit userns uss utsns uunit wname'.split(
    ' ',
  ),
);
