import { ipBatch, NetworkNamespace, run } from '@berth/sys';

/** The world beyond the host: a namespace reached over the uplink, 10.99.0.2 and fd99::2 as seen from the host's 10.99.0.1 and fd99::1. */
export async function outside(): Promise<NetworkNamespace> {
  const world = await NetworkNamespace.make();
  // The kernel takes its time to remove the link of an earlier world after that world's namespace.
  await run('ip', ['link', 'delete', 'uplink'], { accept: [0, 1] });
  await ipBatch([
    `link add uplink type veth peer name eth0 netns ${world.name}`,
    'addr add 10.99.0.1/24 dev uplink',
    'addr add fd99::1/64 dev uplink nodad',
    'link set uplink up',
    'route add default via 10.99.0.2',
  ]);
  // It knows the way to every container network: what doesn't get there was stopped, not lost.
  await world.run('ip', ['-batch', '-'], {
    input: [
      'addr add 10.99.0.2/24 dev eth0',
      'addr add fd99::2/64 dev eth0 nodad',
      'addr add 169.254.169.254/32 dev lo',
      'link set eth0 up',
      'route add 172.16.0.0/12 via 10.99.0.1',
      'route add fd00::/16 via fd99::1',
      '',
    ].join('\n'),
  });
  return world;
}
