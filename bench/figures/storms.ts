import Dockerode from 'dockerode';
import { atMost, type Figure, type FigureRow } from '../figure.ts';
import { median, summarize } from '../statistics.ts';

const bounds = { must: atMost(2), aim: atMost(1.2) };

/** Does `work` for 0, 1, … by so many clients at a time; milliseconds each took, in the order in which they were asked for. */
async function storm(count: number, clients: number, work: (index: number) => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < count) {
        const index = next++;
        const begin = performance.now();
        await work(index);
        taken[index] = performance.now() - begin;
      }
    }),
  );
  return taken;
}

/** Whether the thousandth takes longer than the first: the last quarter's median against the first's. */
function growth(what: string, taken: readonly number[]): FigureRow {
  const quarter = Math.floor(taken.length / 4);
  const [first, last] = [taken.slice(0, quarter), taken.slice(-quarter)];
  return {
    figure: `${taken.length} ${what}, the last quarter / the first`,
    unit: 'ratio of medians',
    value: median(last) / median(first),
    ...bounds,
    samples: { 'all ms': summarize(taken), 'first quarter ms': summarize(first), 'last quarter ms': summarize(last) },
  };
}

/**
 * Many of everything, one after the other, by four clients or all at once, on Berth alone: whether it slows down as things
 * pile up, and whether afterwards it is as quick as before and nothing is left. (dockerd 20.10 runs out of networks after
 * thirty and can come to a standstill when many containers are removed at once, so it does not stand beside it here.)
 */
export const storms: Figure = {
  name: 'storms',
  title: 'many of everything',
  async run({ quick, runs, openBerth, say }) {
    await using side = await openBerth();
    const docker = new Dockerode({ socketPath: side.docker.socketPath });
    const count = runs ?? (quick ? 60 : 1000);
    const crowd = Math.min(100, count);
    const Image = 'busybox';
    const shortRun = async () => {
      const container = await docker.createContainer({ Image, Cmd: ['true'], HostConfig: { AutoRemove: true } });
      const ended = container.wait({ condition: 'removed' });
      await container.start();
      await ended;
    };
    await shortRun();
    const before = await storm(10, 1, shortRun);
    const rows: FigureRow[] = [];

    say(`${count} short runs by 4 clients`);
    const shortRuns = await storm(count, 4, shortRun);
    rows.push(growth('short runs by 4 clients', shortRuns));

    say(`${crowd} starts at once, then ${crowd} stops at once`);
    const containers = await Promise.all(
      Array.from({ length: crowd }, (_, index) =>
        docker.createContainer({ name: `storm-${index}`, Image, Cmd: ['sleep', '100000'], HostConfig: { Init: true } }),
      ),
    );
    const wall = async (work: (container: Dockerode.Container) => Promise<unknown>) => {
      const begin = performance.now();
      const taken = await storm(crowd, crowd, (index) => work(containers[index] as Dockerode.Container));
      return { each: (performance.now() - begin) / crowd, taken };
    };
    const starts = await wall((container) => container.start());
    const stops = await wall((container) => container.stop());
    rows.push({
      figure: `${crowd} starts at once, time for each / that of a short run by 4 clients`,
      unit: 'ratio',
      value: starts.each / (median(shortRuns) / 4),
      ...bounds,
      samples: { 'start ms': summarize(starts.taken), 'stop ms': summarize(stops.taken) },
    });
    await storm(crowd, 8, (index) => (containers[index] as Dockerode.Container).remove());

    say(`${count} volumes, then ${count} networks, by 4 clients`);
    rows.push(growth('volumes by 4 clients', await storm(count, 4, (index) => docker.createVolume({ Name: `storm-${index}` }))));
    await storm(count, 4, (index) => docker.getVolume(`storm-${index}`).remove());
    const subnet = (index: number) => `10.${200 + (index >> 8)}.${index & 255}.0/24`;
    const networks = await storm(count, 4, (index) =>
      docker.createNetwork({ Name: `storm-${index}`, IPAM: { Driver: 'default', Config: [{ Subnet: subnet(index) }] } }),
    );
    rows.push(growth('networks by 4 clients', networks));
    await storm(count, 4, (index) => docker.getNetwork(`storm-${index}`).remove());

    say('the same as at the beginning');
    const left = [...(await docker.listContainers({ all: true })), ...(await docker.listVolumes()).Volumes, ...(await docker.listNetworks()).slice(3)];
    if (left.length > 0) throw new Error(`${left.length} containers, volumes and networks are left after the storms`);
    const after = await storm(10, 1, shortRun);
    rows.push({
      figure: 'a short run after the storms / before them',
      unit: 'ratio of medians',
      value: median(after) / median(before),
      ...bounds,
      samples: { 'before ms': summarize(before), 'after ms': summarize(after) },
    });
    return rows;
  },
};
