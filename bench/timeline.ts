import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DockerCli } from '../test/oracle/index.ts';
import { RecordingProxy, type RecordedRequest } from './recording-proxy.ts';

export interface Timeline {
  readonly wallMs: number;
  readonly requests: readonly RecordedRequest[];
}

/** Runs one docker command several times through a recording proxy and gives the run with the median wall time. */
export async function recordTimeline(socketPath: string, args: readonly string[], runs = 7): Promise<Timeline> {
  const directory = await mkdtemp(join(tmpdir(), 'bt-timeline-'));
  const path = join(directory, 'p.sock');
  try {
    await using proxy = await RecordingProxy.open({ path, target: socketPath });
    const docker = new DockerCli({ socketPath: path, configDirectory: directory });
    const timelines: Timeline[] = [];
    for (let index = 0; index < runs; index++) {
      proxy.reset();
      const { wallMs, exitCode, stderr } = await docker.run(args);
      if (exitCode !== 0) throw new Error(`docker ${args.join(' ')} ended with ${exitCode}: ${stderr}`);
      timelines.push({ wallMs, requests: proxy.requests });
    }
    return timelines.sort((a, b) => a.wallMs - b.wallMs)[runs >> 1] as Timeline;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Markdown: one row a request, in the order they were asked. */
export function timelineTable(title: string, timeline: Timeline): string {
  const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(1));
  const short = (line: string) =>
    line
      .replace(/[0-9a-f]{64}/g, 'ID')
      .replace(/\/v1\.\d+/, '')
      .slice(0, 100);
  return [
    `### ${title}: ${timeline.wallMs.toFixed(0)} ms wall`,
    '',
    '| request | connection | asked at ms | answered at ms | took ms | last byte at ms | status |',
    '|---|---|---|---|---|---|---|',
    ...timeline.requests.map(
      (r) =>
        `| \`${short(r.line)}\` | ${r.connection} | ${ms(r.askedAtMs)} | ${ms(r.answeredAtMs)} | ${ms((r.answeredAtMs ?? Number.NaN) - r.askedAtMs)} | ${ms(r.lastByteAtMs)} | ${r.status ?? ''} |`,
    ),
    '',
  ].join('\n');
}
