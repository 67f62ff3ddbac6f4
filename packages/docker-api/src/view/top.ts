import type { ProcessRow } from '@berth/runtime';
import { notYet } from '../faults.ts';

/** `docker top`: the columns of `ps -ef` (Docker's default) and of `ps aux`. */
export function topView(rows: readonly ProcessRow[], psArgs: string, nowMs: number): { Titles: string[]; Processes: string[][] } {
  const args = psArgs.trim().replace(/^-/, '');
  if (['ef', 'fe', 'eF'].includes(args)) {
    return {
      Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
      Processes: rows.map((row) => [
        userName(row.uid),
        String(row.pid),
        String(row.ppid),
        String(Math.min(99, Math.floor(cpuPercent(row, nowMs)))),
        startTime(row, nowMs),
        row.tty === '' ? '?' : row.tty,
        clock(row.cpuMs),
        row.command,
      ]),
    };
  }
  if (['aux', 'axu', 'uax'].includes(args)) {
    return {
      Titles: ['USER', 'PID', '%CPU', '%MEM', 'VSZ', 'RSS', 'TTY', 'STAT', 'START', 'TIME', 'COMMAND'],
      Processes: rows.map((row) => [
        userName(row.uid),
        String(row.pid),
        cpuPercent(row, nowMs).toFixed(1),
        '-',
        '-',
        String(Math.floor(row.rssBytes / 1024)),
        row.tty === '' ? '?' : row.tty,
        row.state,
        startTime(row, nowMs),
        minutes(row.cpuMs),
        row.command,
      ]),
    };
  }
  throw notYet(`docker top with the ps arguments ${JSON.stringify(psArgs)} is`, 'leave them out (-ef), or say aux');
}

/** Users other than root are the image's; their names are not known outside. */
function userName(uid: number): string {
  return uid === 0 ? 'root' : String(uid);
}

function cpuPercent(row: ProcessRow, nowMs: number): number {
  const age = nowMs - row.startedAtMs;
  return age <= 0 ? 0 : (row.cpuMs / age) * 100;
}

function startTime(row: ProcessRow, nowMs: number): string {
  const started = new Date(row.startedAtMs);
  if (nowMs - row.startedAtMs < 24 * 3_600_000) return started.toISOString().slice(11, 16);
  return `${started.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' })}${String(started.getUTCDate()).padStart(2, '0')}`;
}

const two = (value: number) => String(value).padStart(2, '0');

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function minutes(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}
