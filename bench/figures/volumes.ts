import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@berth/sys';
import { atMost, type Figure, type FigureRow } from '../figure.ts';
import type { Side } from '../side.ts';
import { median, summarize } from '../statistics.ts';

const FILES = 300;
const MEGABYTES = 100;
const TRANSACTIONS = 200;

/** What is done in `/work`; `/in` holds the archive. Each prints the milliseconds it took, by the machine's own clock. */
const JOBS = [
  { name: `unpacking ${FILES} small files`, script: 'tar -C /work -xf /in/files.tar', must: 12 },
  { name: `deleting ${FILES} small files`, script: 'rm -r /work/files', must: 12 },
  { name: `writing ${MEGABYTES} MB`, script: `dd if=/dev/zero of=/work/big bs=1M count=${MEGABYTES} conv=fsync 2> /dev/null`, must: 4 },
  { name: `reading ${MEGABYTES} MB`, script: 'echo 3 > /proc/sys/vm/drop_caches 2> /dev/null; dd if=/work/big of=/dev/null bs=1M 2> /dev/null', must: 4 },
  { name: `${TRANSACTIONS} synchronous writes`, script: `dd if=/dev/zero of=/work/log bs=512 count=${TRANSACTIONS} oflag=sync 2> /dev/null`, must: 4 },
];

/** Kinds of places, beside dockerd's bind mount: a directory of the host, a disk, and the container's own layer to compare with. */
const KINDS = { directory: (folder: string) => ['-v', `${folder}:/work`], disk: () => ['-v', 'bench-disk:/work'], layer: () => [] };

export const volumes: Figure = {
  name: 'volumes',
  title: 'file work in volumes',
  async run({ quick, runs, openBerth, openDockerd, say }) {
    const folder = await mkdtemp(join(tmpdir(), 'bt-bench-volumes-'));
    try {
      await archive(folder);
      await using berth = await openBerth();
      await using dockerd = await openDockerd();
      await berth.docker.ok(['volume', 'create', '-o', 'type=block', '-o', 'size=2g', 'bench-disk']);
      const places: { name: string; side: Side; options: string[] }[] = [];
      for (const [kind, options] of Object.entries(KINDS)) places.push({ name: kind, side: berth, options: options(await made(join(folder, kind))) });
      places.push({ name: 'dockerd', side: dockerd, options: KINDS.directory(await made(join(folder, 'dockerd'))) });
      const count = runs ?? (quick ? 2 : 5);
      const taken = new Map<string, number[]>();
      for (let round = 0; round < count; round++) {
        for (const { name, side, options } of places) {
          for (const [job, ms] of (await measure(side, [...options, '-v', `${folder}:/in:ro`])).entries()) {
            const key = `${job} ${name}`;
            taken.set(key, [...(taken.get(key) ?? []), ms]);
          }
        }
        say(`round ${round + 1} of ${count}`);
      }
      return JOBS.flatMap(({ name, must }, job) => rows(name, must, (place) => taken.get(`${job} ${place}`) ?? []));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** A directory and a disk are held against the container's own layer in the same kind of machine: that is what a volume costs. */
function rows(name: string, must: number, of: (place: string) => readonly number[]): FigureRow[] {
  const samples = Object.fromEntries([...Object.keys(KINDS), 'dockerd'].map((place) => [`${place} ms`, summarize(of(place))]));
  const ratio = (place: string) => median(of(place)) / median(of('layer'));
  const note = `against dockerd's bind mount: directory ${times(of('directory'), of('dockerd'))}, disk ${times(of('disk'), of('dockerd'))}`;
  return [
    { figure: `${name}: directory / layer`, unit: 'ratio of medians', value: ratio('directory'), must: atMost(must), aim: atMost(must / 2), samples, note },
    { figure: `${name}: disk / layer`, unit: 'ratio of medians', value: ratio('disk'), must: atMost(2), aim: atMost(1.3), samples: {} },
  ];
}

const times = (mine: readonly number[], theirs: readonly number[]) => `${(median(mine) / median(theirs)).toFixed(1)} times`;

async function measure(side: Side, options: readonly string[]): Promise<number[]> {
  const clock = 'now() { read up idle < /proc/uptime; echo ${up%.*}${up#*.}; }';
  const script = [clock, 'mkdir -p /work', ...JOBS.map((job) => `a=$(now); ${job.script}; b=$(now); echo $(( (b - a) * 10 ))`), 'rm -r /work/*'].join('\n');
  const output = await side.docker.ok(['run', '--rm', '-m', '256m', ...options, 'busybox', 'sh', '-c', script], { timeoutMs: 180_000 });
  const times = output.split('\n').map(Number);
  if (times.length !== JOBS.length || times.some(Number.isNaN)) throw new Error(`file work on ${side.name} said: ${output}`);
  // The clock counts in hundredths of a second.
  return times.map((ms) => Math.max(ms, 5));
}

async function made(folder: string): Promise<string> {
  await mkdir(folder);
  return folder;
}

async function archive(folder: string): Promise<void> {
  await mkdir(join(folder, 'files'));
  for (let n = 0; n < FILES; n++) {
    const place = join(folder, 'files', String(n % 20));
    if (n < 20) await mkdir(place);
    await writeFile(join(place, `file-${n}`), Buffer.alloc(1024, n));
  }
  await run('tar', ['-C', folder, '-cf', join(folder, 'files.tar'), 'files']);
}
