import { readFileSync } from 'node:fs';
import { HostNetworking, type NetworkDefinition } from '../index.ts';

/** Makes, uses and removes the given networks without end, until it is killed. `node churn.ts prefix directory file`. */
const [prefix = '', runDirectory = '', file = ''] = process.argv.slice(2);
const networks = JSON.parse(readFileSync(file, 'utf8')) as NetworkDefinition[];
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const networking = await HostNetworking.open({ prefix, runDirectory, upstreams: [], log }, { signal: AbortSignal.timeout(20_000) });
console.log('ready');
await Promise.all(
  networks.map(async (network, index) => {
    for (;;) {
      await networking.create(network);
      const endpoint = networking.allocate(network, { containerId: network.id, names: ['a'] });
      networking.announce(endpoint);
      await networking.publish(network.id, { ipv4: endpoint.ipv4.address }, [
        { protocol: 'tcp', containerPort: 80, hostAddress: '', hostPortFirst: 7000 + index, hostPortLast: 7000 + index },
      ]);
      await networking.unpublish(network.id);
      networking.release(endpoint);
      await networking.remove(network);
    }
  }),
);
