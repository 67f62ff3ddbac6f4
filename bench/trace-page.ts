import type { BenchOptions } from './figure.ts';
import { recordTimeline, timelineTable } from './timeline.ts';
import { traceTable } from './trace.ts';

/** Where the time of one start goes: inside the daemon, and on the way between the docker command and it. */
export async function tracePage({ openBerth, openDockerd, quick }: BenchOptions): Promise<string> {
  const commands = [
    ['run', '--rm', 'busybox', 'true'],
    ['exec', 'traced', 'true'],
  ];
  const parts: string[] = ['# Where the time goes', ''];
  for (const open of [openBerth, openDockerd]) {
    await using side = await open();
    await side.docker.ok(['run', '-d', '--name', 'traced', 'busybox', 'sleep', '100000']);
    for (const command of commands)
      parts.push(timelineTable(`${side.name}: docker ${command.join(' ')}`, await recordTimeline(side.docker.socketPath, command, quick ? 3 : 9)));
    if ('traces' in side) {
      const traces = await (side as Awaited<ReturnType<typeof openBerth>>).traces();
      parts.push('### The phases of one start inside Berth (medians)', '', traces.length === 0 ? 'The daemon noted none.\n' : traceTable(traces));
    }
  }
  return parts.join('\n');
}
