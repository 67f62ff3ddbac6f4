import assert from 'node:assert/strict';
import type { DockerCli } from '../oracle/index.ts';

/** Counts for as long as it lives: one numbered line every 100 ms or so, and 200 at once now and then. */
const counting =
  'i=0; while :; do i=$((i+1)); echo "line $i"; case $i in *00) j=0; while [ $j -lt 200 ]; do i=$((i+1)); j=$((j+1)); echo "line $i"; done;; esac; sleep 0.1; done';

/** A container that must live through everything, with what it was when it started. */
export interface Keeper {
  readonly name: string;
  readonly startedAt: string;
  readonly pid: string;
}

export async function startKeeper(docker: DockerCli, name: string): Promise<Keeper> {
  await docker.ok(['run', '-d', '--name', name, 'busybox', 'sh', '-c', counting]);
  const [startedAt = '', pid = ''] = (await docker.ok(['inspect', '-f', '{{.State.StartedAt}} {{.State.Pid}}', name])).split(' ');
  return { name, startedAt, pid };
}

/** Still the same run of the same container, and its log numbered without a gap or a repetition. Gives the last number. */
export async function assertKept(docker: DockerCli, keeper: Keeper): Promise<number> {
  const state = await docker.ok(['inspect', '-f', '{{.State.Status}} {{.State.StartedAt}} {{.State.Pid}}', keeper.name]);
  assert.equal(state, `running ${keeper.startedAt} ${keeper.pid}`);
  const log = await docker.ok(['logs', keeper.name]);
  return assertNumbered(log, keeper.name);
}

function assertNumbered(log: string, name: string): number {
  const lines = log.split('\n');
  lines.forEach((line, index) => {
    if (line !== `line ${index + 1}`)
      assert.fail(`${name}: line ${index + 1} of its log is ${JSON.stringify(line)}, after ${JSON.stringify(lines.slice(Math.max(0, index - 2), index))}`);
  });
  return lines.length;
}
