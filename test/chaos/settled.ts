import assert from 'node:assert/strict';
import type { Berth, Survey } from '../berth/index.ts';
import { until } from '../oracle/index.ts';

/**
 * What a survey says without what differs each time: names, and how many machines wait in the pool. Each machine may have
 * one tap, one folder and one writable layer; more of these than machines is something without an owner.
 */
interface Shape {
  readonly tapsWithoutMachine: number;
  readonly foldersWithoutMachine: number;
  readonly layersWithoutMachine: number;
  /** Files and folders named after a container. */
  readonly ofContainers: number;
  readonly helpers: number;
  readonly bridges: readonly string[];
  readonly mounts: number;
  readonly cgroups: number;
  readonly rules: readonly string[];
  readonly namespaces: number;
  readonly shm: number;
}

function shape(survey: Survey): Shape {
  const machines = survey.processes.filter((process) => process.name.startsWith('qemu')).length;
  const taps = survey.links.filter((name) => isTap(name));
  const count = (pattern: RegExp) => survey.files.filter((path) => pattern.test(path)).length;
  return {
    tapsWithoutMachine: taps.length - machines,
    foldersWithoutMachine: count(/\/vms\/[^/]+$/) - machines,
    layersWithoutMachine: count(/\/waiting\/[^/]+$/) - machines,
    ofContainers: count(/\/[0-9a-f]{64}(\.[a-z.-]+)?$/) - count(/\/images\/.*\/[0-9a-f]{64}(\.[a-z.-]+)?$/),
    helpers: survey.processes.length - machines,
    bridges: survey.links.filter((name) => !isTap(name)),
    mounts: survey.mounts.length,
    cgroups: survey.cgroups.length,
    // Counters and handles move by themselves.
    rules: survey.rules.map((rule) => rule.replace(/counter packets \d+ bytes \d+/g, 'counter')).sort(),
    namespaces: survey.namespaces.length,
    shm: survey.shm.length,
  };
}

/** Links are named by a prefix of five digits, what they are, and which one: `t` is a machine's tap. */
const isTap = (name: string): boolean => /^b[0-9a-f]{5}t/.test(name);

/** The shape once the pool is full and nothing changes any more: the same three times with half a second between. */
export async function settledShape(berth: Berth, limitMs = 60_000): Promise<Shape> {
  let last = '';
  let same = 0;
  let current: Shape | undefined;
  let lookedAt = 0;
  await until('the instance comes to rest', limitMs, async () => {
    if (performance.now() - lookedAt < 500) return false;
    lookedAt = performance.now();
    current = shape(await berth.survey());
    const text = JSON.stringify(current);
    same = text === last ? same + 1 : 0;
    last = text;
    return same >= 3;
  });
  return current as Shape;
}

/** Waits until what the instance has is what it had, and shows the difference when it doesn't become so. */
export async function assertBackTo(berth: Berth, before: Shape, limitMs = 60_000): Promise<void> {
  let now: Shape | undefined;
  const equal = await until('as before', limitMs, async () => {
    now = shape(await berth.survey());
    return JSON.stringify(now) === JSON.stringify(before);
  }).catch(() => false);
  if (equal) return;
  const { processes, ...survey } = await berth.survey();
  const seen = { ...survey, files: survey.files.slice(0, 80), rules: [], processes: processes.map(({ pid, parent, name }) => `${pid} ${name} of ${parent}`) };
  assert.fail(`left behind: it was\n${JSON.stringify(before)}\nand is\n${JSON.stringify(now)}\nwith ${JSON.stringify(seen, null, 1)}`);
}

/** After a graceful end without containers nothing of the instance may live: not a process, link, mount, group or rule. */
export async function assertAllGone(berth: Berth): Promise<void> {
  const found = await berth.survey();
  assert.deepEqual(found.processes, [], 'processes are left');
  assert.deepEqual(found.links.filter(isTap), [], 'taps are left');
  assert.deepEqual(
    found.mounts.filter((path) => path !== berth.stateDirectory),
    [],
    'mounts are left',
  );
  assert.deepEqual(found.cgroups, [], 'control groups are left');
}
