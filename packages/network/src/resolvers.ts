import { isIPv4 } from 'node:net';
import { contains, parseAddress, parseBlock } from './addresses.ts';
import type { Forwarder } from './dns-forwarder.ts';
import type { Element, Firewall } from './firewall.ts';
import type { NetworkLog } from './log.ts';
import type { Names } from './names.ts';
import type { AddressPool, NetworkDefinition } from './port.ts';
import { protocolNumber } from './protocol.ts';
import { Resolver } from './resolver.ts';

interface Running {
  readonly resolvers: readonly Resolver[];
  /** Detours from port 53 to where the resolver really listens. */
  readonly detours: readonly Element[];
}

/** One resolver per segment, opened when its first endpoint appears: networks nobody is on cost no sockets. */
export class Resolvers implements AsyncDisposable {
  readonly #forwarder: Forwarder;
  readonly #firewall: Firewall;
  readonly #names: Names;
  readonly #log: NetworkLog;
  readonly #running = new Map<string, Promise<Running | undefined>>();
  #closed = false;

  constructor(dependencies: { forwarder: Forwarder; firewall: Firewall; names: Names; log: NetworkLog }) {
    this.#forwarder = dependencies.forwarder;
    this.#firewall = dependencies.firewall;
    this.#names = dependencies.names;
    this.#log = dependencies.log;
  }

  /** Starts opening it, if it isn't; never throws, never waits. A failure is told to the log and tried at the next call. */
  want(network: NetworkDefinition): void {
    if (this.#closed || network.driver === 'none' || this.#running.has(network.id)) return;
    const opening = this.#open(network).catch((error: unknown) => {
      this.#log.error({ network: network.name, error }, 'names cannot be resolved on this network');
      this.#running.delete(network.id);
      return undefined;
    });
    this.#running.set(network.id, opening);
  }

  async close(networkId: string): Promise<void> {
    const running = await this.#running.get(networkId);
    this.#running.delete(networkId);
    await this.#end(running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const all = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(all.map(async (running) => this.#end(await running)));
  }

  async #open(network: NetworkDefinition): Promise<Running> {
    const resolvers: Resolver[] = [];
    const detours: Element[] = [];
    try {
      for (const pool of network.pools.filter((one) => isIPv4(one.gateway))) {
        const resolver = await this.#openOne(network, pool);
        resolvers.push(resolver);
        if (resolver.port === 53) continue;
        for (const protocol of Object.values(protocolNumber)) {
          detours.push({
            set: 'published_at',
            key: `${pool.gateway} . ${protocol} . 53`,
            value: `${pool.gateway} . ${resolver.port}`,
            comment: resolverComment,
          });
        }
      }
      const stale = this.#firewall
        .elements()
        .filter((element) => network.pools.some((pool) => element.comment === resolverComment && element.key.startsWith(`${pool.gateway} . `)));
      if (stale.length > 0 || detours.length > 0) await this.#firewall.change({ remove: stale, add: detours });
      return { resolvers, detours };
    } catch (error) {
      await this.#end({ resolvers, detours: [] });
      throw error;
    }
  }

  async #openOne(network: NetworkDefinition, pool: AddressPool): Promise<Resolver> {
    const subnet = parseBlock(pool.subnet);
    const dependencies = {
      address: pool.gateway,
      forwarder: this.#forwarder,
      view: (source: string) => {
        const address = parseAddress(source);
        // Guests of another segment reach this socket too; they must learn nothing from it.
        if (address === undefined || subnet === undefined || !contains(subnet, address)) return undefined;
        return this.#names.viewFor(network.id, source);
      },
    };
    try {
      return await Resolver.open({ ...dependencies, port: 53 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      // A name server of the host has port 53 on all addresses: ours takes another, and the firewall leads there.
      return await Resolver.open({ ...dependencies, port: 0 });
    }
  }

  async #end(running: Running | undefined): Promise<void> {
    if (running === undefined) return;
    if (running.detours.length > 0) await this.#firewall.change({ remove: running.detours });
    await Promise.all(running.resolvers.map((resolver) => resolver[Symbol.asyncDispose]()));
  }
}

/** Marks the elements that lead from port 53 to a resolver elsewhere. */
export const resolverComment = 'resolver';
