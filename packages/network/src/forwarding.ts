import { readdir } from 'node:fs/promises';
import { readSysctl, writeSysctl } from '@berth/sys';
import type { NetworkLog } from './log.ts';

/** Containers need the host to route. It stays on when Berth ends: containers outlive it, and others may need it too. */
export async function routePackets(log: NetworkLog): Promise<void> {
  if ((await readSysctl(['net', 'ipv4', 'ip_forward'])) === '1') return;
  await writeSysctl(['net', 'ipv4', 'ip_forward'], '1');
  log.info({}, 'switched on net.ipv4.ip_forward');
}

/**
 * The same for IPv6, done when the first network has it. A host that routes stops listening to routers unless it is told
 * to go on: links that had their addresses and routes from one keep them.
 */
export async function routePackets6(log: NetworkLog): Promise<void> {
  const conf = ['net', 'ipv6', 'conf'];
  if ((await readSysctl([...conf, 'all', 'forwarding'])) === '1') return;
  const links = (await readdir(`/proc/sys/${conf.join('/')}`)).filter((name) => name !== 'all');
  for (const link of links) {
    const isListening = (await readSysctl([...conf, link, 'accept_ra']).catch(() => '0')) === '1';
    if (isListening) await writeSysctl([...conf, link, 'accept_ra'], '2').catch(() => undefined);
  }
  await writeSysctl([...conf, 'all', 'forwarding'], '1');
  log.info({}, 'switched on net.ipv6.conf.all.forwarding');
}
