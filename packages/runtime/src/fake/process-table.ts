import { readdirSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { ProcessRow, Statistics } from '../port.ts';

const TICK_MS = 10;

/** The variable by which a container's processes are known, whatever they fork. */
export const MARK = 'BERTH_FAKE_CONTAINER';

/** Pids of everything that runs on behalf of a container. */
export function pidsOf(mark: string): number[] {
  const wanted = `${MARK}=${mark}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => read(`/proc/${name}/environ`).split('\0').includes(wanted))
    .map(Number);
}

export function processesOf(mark: string): ProcessRow[] {
  const bootMs = Number(/^btime (\d+)$/m.exec(read('/proc/stat'))?.[1] ?? 0) * 1000;
  return pidsOf(mark).flatMap((pid) => {
    const stat = read(`/proc/${pid}/stat`);
    if (stat === '') return [];
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map((field) => field);
    const number = (index: number) => Number(fields[index - 3] ?? 0);
    const status = read(`/proc/${pid}/status`);
    const [, uid = 0, euid = 0] = /^Uid:\s+(\d+)\s+(\d+)/m.exec(status) ?? [];
    return [
      {
        uid: Number(uid),
        euid: Number(euid),
        gid: Number(/^Gid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? 0),
        pid,
        ppid: number(4),
        pgid: number(5),
        sid: number(6),
        isForeground: number(8) === number(5),
        flags: number(9),
        nice: number(19),
        priority: number(18),
        schedulingClass: number(41),
        threads: number(20),
        processor: number(39),
        virtualBytes: number(23),
        minorFaults: number(10),
        majorFaults: number(12),
        name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
        startedAtMs: bootMs + number(22) * TICK_MS,
        cpuMs: (number(14) + number(15)) * TICK_MS,
        tty: number(7) === 0 ? '?' : 'pts/0',
        command: read(`/proc/${pid}/cmdline`)
          .split('\0')
          .filter((word) => word !== '')
          .join(' '),
        rssBytes: number(24) * 4096,
        state: fields[0] ?? '?',
      },
    ];
  });
}

export function statisticsOf(mark: string): Statistics {
  const rows = processesOf(mark);
  const cpuUsageNs = rows.reduce((sum, row) => sum + row.cpuMs, 0) * 1e6;
  const systemTicks =
    /^cpu +(.*)$/m
      .exec(read('/proc/stat'))?.[1]
      ?.split(' ')
      .slice(0, 8)
      .reduce((sum, word) => sum + Number(word), 0) ?? 0;
  return {
    readAtMs: Date.now(),
    cpuUsageNs,
    cpuUserNs: cpuUsageNs,
    cpuSystemNs: 0,
    systemCpuNs: systemTicks * TICK_MS * 1e6,
    onlineCpus: cpus().length,
    memoryUsageBytes: rows.reduce((sum, row) => sum + row.rssBytes, 0),
    memoryCacheBytes: 0,
    memoryLimitBytes: totalmem(),
    pids: rows.length,
    networks: {},
    blockReadBytes: 0,
    blockWriteBytes: 0,
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
