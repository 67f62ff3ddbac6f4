import { access } from 'node:fs/promises';
import { ipBatch, listLinks, run, writeSysctl } from '@berth/sys';
import { networkFault } from './faults.ts';
import { isV4, macOf, parseAddress } from './addresses.ts';
import type { AddressPool, NetworkDefinition } from './port.ts';
import { secluded } from './segment.ts';

/** A bridge of this instance that exists on the host. */
export interface FoundBridge {
  readonly ifname: string;
  /** From the link's alias; `''` when the daemon died before it was written. */
  readonly networkId: string;
}

const aliasPrefix = 'berth:';

/** The Linux bridges of one instance. An alias on the link says whose it is, so that nothing foreign is ever touched. */
export class Bridges {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  async list(): Promise<FoundBridge[]> {
    const mine = `${aliasPrefix}${this.#prefix}:`;
    const links = await listLinks({ kind: 'bridge' });
    const shape = new RegExp(`^${this.#prefix}(0|-[0-9a-f]{8})$`);
    return links.flatMap((link): FoundBridge[] => {
      if (link.alias.startsWith(mine)) return [{ ifname: link.ifname, networkId: link.alias.slice(mine.length) }];
      // The kernel takes the alias only after the link is made: a daemon that died in between left one without.
      return link.alias === '' && shape.test(link.ifname) ? [{ ifname: link.ifname, networkId: '' }] : [];
    });
  }

  /** Makes them with their addresses, up. The names must be free; what fails may be half made. */
  async create(networks: readonly NetworkDefinition[]): Promise<void> {
    const commands = await Promise.all(
      networks.map(async (network) => {
        const gateway = parseAddress(network.pools[0]?.gateway ?? '') ?? 0n;
        // A MAC of its own keeps the bridge from taking that of its ports, which come and go.
        const make = `link add name ${network.bridge} mtu ${network.mtu} address ${macOf(gateway)} type bridge forward_delay 0 mcast_snooping 0`;
        return [make, ...(await this.#shape(network))];
      }),
    );
    await ipBatch(commands.flat());
    for (const network of networks) await this.#settings(network);
  }

  /** Brings those that exist to what `create` would have made; their ports stay attached. */
  async repair(networks: readonly NetworkDefinition[]): Promise<void> {
    const commands = await Promise.all(networks.map(async (network) => [`link set ${network.bridge} mtu ${network.mtu}`, ...(await this.#shape(network))]));
    await ipBatch(commands.flat());
    for (const network of networks) await this.#settings(network);
  }

  /** Absent ones are passed over. */
  async delete(names: readonly string[]): Promise<void> {
    await ipBatch(
      names.map((name) => `link del ${name}`),
      { force: true },
    );
  }

  async #shape(network: NetworkDefinition): Promise<string[]> {
    const { bridge, pools } = network;
    return [
      `link set ${bridge} alias ${aliasPrefix}${this.#prefix}:${network.id}`,
      ...pools.filter((pool) => isOfV4(pool)).map((pool) => `addr replace ${pool.gateway}/${pool.subnet.split('/')[1]} brd + dev ${bridge}`),
      ...(await filtered(network)),
      `link set ${bridge} up`,
    ];
  }

  async #settings({ bridge, pools }: NetworkDefinition): Promise<void> {
    const v6 = pools.filter((pool) => !isOfV4(pool));
    const set = (name: string, value: string) => writeSysctl(['net', 'ipv6', 'conf', bridge, name], value);
    if (v6.length === 0) {
      // Without IPv6 the host offers its segment no link-local address through which guests could reach it.
      await set('disable_ipv6', '1').catch(() => undefined);
    } else {
      // What containers say about routes, or about addresses to have, is nothing for the host to follow.
      for (const name of ['accept_ra', 'autoconf', 'accept_redirects']) await set(name, '0');
      await set('disable_ipv6', '0');
      // Nobody else can have the address, so there is no need to ask around for a second before using it.
      await ipBatch(v6.map((pool) => `addr replace ${pool.gateway}/${pool.subnet.split('/')[1]} dev ${bridge} nodad`));
    }
    // Answers to connections from 127.0.0.1 to a published port come back over the bridge. What guests themselves send
    // to 127.0.0.0/8 is dropped before routing (chain prerouting_filter).
    await writeSysctl(['net', 'ipv4', 'conf', bridge, 'route_localnet'], '1');
  }
}

function isOfV4(pool: AddressPool): boolean {
  return isV4(parseAddress(pool.gateway) ?? 0n);
}

/** Frames between the ports of a bridge pass the firewall only on request; it takes br_netfilter to ask for it. */
async function filtered(network: NetworkDefinition): Promise<string[]> {
  if (!secluded(network)) return [];
  const present = () =>
    access('/proc/sys/net/bridge').then(
      () => true,
      () => false,
    );
  if (!(await present())) await run('modprobe', ['br_netfilter'], { timeoutMs: 10_000 }).catch(() => undefined);
  if (!(await present())) throw networkFault.seclusionUnsupported();
  return [`link set ${network.bridge} type bridge nf_call_iptables 1 nf_call_ip6tables 1`];
}
