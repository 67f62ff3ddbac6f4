import type { ProcessRow, Statistics } from '@berth/runtime';
import type { BodyReader } from './body.ts';

/** The answer to `processes`. */
export function readProcesses(body: BodyReader): ProcessRow[] {
  return body.list(() => ({
    uid: body.u32(),
    pid: body.u32(),
    ppid: body.u32(),
    startedAtMs: body.number(),
    cpuMs: body.number(),
    rssBytes: body.number(),
    tty: body.string(),
    state: body.string(),
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
