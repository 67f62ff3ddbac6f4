import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@berth/kit';
import { HostNetworking, type NetworkDefinition } from '../index.ts';

/**
 * Prints how long networks and publications take, one after the other:
 * `unshare --net node packages/network/src/testing/measure.ts`.
 */
const runDirectory = await mkdtemp(join(tmpdir(), 'berth-net-'));
const log = { info: () => undefined, warn: console.warn, error: console.error };

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function report(what: string, times: number[]): void {
  const sorted = times.toSorted((one, other) => one - other);
  const at = (part: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1);
  console.log(`${what.padEnd(40)} n ${String(times.length).padStart(4)}   p50 ${at(0.5)} ms   p95 ${at(0.95)} ms`);
}

let networking: HostNetworking | undefined;
report('open', [
  await timed(
    async () => (networking = await HostNetworking.open({ prefix: 'btm', runDirectory, upstreams: [], log }, { signal: AbortSignal.timeout(10_000) })),
  ),
]);
if (networking === undefined) throw new Error('not open');
const open = networking;
const networks: NetworkDefinition[] = [];
const creations: number[] = [];
for (let index = 0; index < 200; index++) {
  const pools = [{ subnet: `10.${100 + (index >> 8)}.${index & 255}.0/24` }];
  const network = open.plan({ id: newId(), name: `n${index}`, driver: 'bridge', internal: false, isDefault: false, mtu: 1500, options: {}, pools }, networks);
  creations.push(await timed(() => open.create(network)));
  networks.push(network);
}
report('create a network, first 20', creations.slice(0, 20));
report('create a network, beside up to 200', creations);
const [first] = networks;
if (first === undefined) throw new Error('no network');
const publishing: number[] = [];
const unpublishing: number[] = [];
const joining: number[] = [];
for (let index = 0; index < 100; index++) {
  const id = newId();
  let address = '';
  joining.push(
    await timed(async () => {
      const endpoint = open.allocate(first, { containerId: id, names: [`c${index}`] });
      address = endpoint.ipv4.address;
      open.announce(endpoint);
      open.nic(first, endpoint, 'eth0', true);
    }),
  );
  publishing.push(
    await timed(() => open.publish(id, { ipv4: address }, [{ protocol: 'tcp', containerPort: 80, hostAddress: '', hostPortFirst: 0, hostPortLast: 0 }])),
  );
  if (index % 2 === 0) unpublishing.push(await timed(() => open.unpublish(id)));
}
report('allocate, announce, nic (no port)', joining);
report('publish one port', publishing);
report('unpublish', unpublishing);
const ids = Array.from({ length: 100 }, () => newId());
const parallel = await timed(() =>
  Promise.all(
    ids.map((id, index) =>
      open.publish(id, { ipv4: `10.100.1.${index + 1}` }, [{ protocol: 'tcp', containerPort: 80, hostAddress: '', hostPortFirst: 0, hostPortLast: 0 }]),
    ),
  ),
);
console.log(`${'publish 100 at once'.padEnd(40)} ${parallel.toFixed(1)} ms together`);
await open[Symbol.asyncDispose]();
let again: HostNetworking | undefined;
report('open beside 200 networks', [
  await timed(async () => (again = await HostNetworking.open({ prefix: 'btm', runDirectory, upstreams: [], log }, { signal: AbortSignal.timeout(10_000) }))),
]);
if (again === undefined) throw new Error('not open');
const second = again;
report('restore 200 networks', [await timed(() => second.restore(networks, []))]);
report('sweep', [await timed(() => second.sweep(networks))]);
const removals: number[] = [];
for (const network of networks) removals.push(await timed(() => second.remove(network)));
report('remove a network', removals);
await second.erase();
await rm(runDirectory, { recursive: true });
