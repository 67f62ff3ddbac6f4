import type { ProcessRow, Statistics } from '@berth/runtime';
import type { BodyReader } from './body.ts';

/** The answer to `processes`. */
export function readProcesses(body: BodyReader): ProcessRow[] {
  return body.list(() => ({
    uid: body.u32(),
    euid: body.u32(),
    gid: body.u32(),
    pid: body.u32(),
    ppid: body.u32(),
    pgid: body.u32(),
    sid: body.u32(),
    isForeground: body.u32() === 1,
    flags: body.u32(),
    // Signed numbers travel as 32 bits.
    nice: body.u32() | 0,
    priority: body.u32() | 0,
    schedulingClass: body.u32(),
    threads: body.u32(),
    processor: body.u32(),
    startedAtMs: body.number(),
    cpuMs: body.number(),
    rssBytes: body.number(),
    virtualBytes: body.number(),
    minorFaults: body.number(),
    majorFaults: body.number(),
    tty: body.string(),
    state: body.string(),
    name: body.string(),
    command: body.string(),
  }));
}

/** The answer to `statistics`. */
export function readStatistics(body: BodyReader): Statistics {
  const counts = {
    readAtMs: body.number(),
    cpuUsageNs: body.number(),
    cpuUserNs: body.number(),
    cpuSystemNs: body.number(),
    systemCpuNs: body.number(),
    onlineCpus: body.number(),
    memoryUsageBytes: body.number(),
    memoryCacheBytes: body.number(),
    memoryLimitBytes: body.number(),
    pids: body.number(),
    blockReadBytes: body.number(),
    blockWriteBytes: body.number(),
  };
  const pidsLimit = body.number();
  const networks = body.list(
    () =>
      [
        body.string(),
        {
          rxBytes: body.number(),
          rxPackets: body.number(),
          rxErrors: body.number(),
          rxDropped: body.number(),
          txBytes: body.number(),
          txPackets: body.number(),
          txErrors: body.number(),
          txDropped: body.number(),
        },
      ] as const,
  );
  return { ...counts, ...(pidsLimit === 0 ? {} : { pidsLimit }), networks: Object.fromEntries(networks) };
}
