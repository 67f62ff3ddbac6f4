import { newId } from '@berth/kit';
import { bounded } from './bounded.ts';
import type { Deps } from './deps.ts';
import { emitNetwork } from './emit.ts';
import { networkBusy, networkDriverUnknown, networkNameInUse, networkNameInvalid, networkNotRemovable, networkPredefined } from './faults.ts';
import type { StoredNetwork } from './network-table.ts';
import type { NetworkView, NewNetwork } from './port.ts';
import { Serial } from './serial.ts';
import { networkView } from './views.ts';

const RESERVED = ['bridge', 'none', 'host', 'default'];
const DEFAULT_MTU = 1500;

/** The networks' own operations, one at a time: they share the address space. */
export class Networks {
  readonly #deps: Deps;
  readonly #serial = new Serial();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  create(request: NewNetwork): Promise<{ id: string; warning: string }> {
    return this.#serial.run(async () => {
      if (RESERVED.includes(request.name)) throw networkPredefined(request.name);
      if (request.name.trim() === '') throw networkNameInvalid();
      const driver = request.driver === '' ? 'bridge' : request.driver;
      if (driver !== 'bridge') throw networkDriverUnknown(driver);
      if (this.#deps.networks.byName(request.name) !== undefined) throw networkNameInUse(request.name);
      const network = this.#plan(request, { isDefault: false });
      await this.#make(network);
      emitNetwork(this.#deps, network, 'create');
      return { id: network.id, warning: '' };
    });
  }

  /** Removes an unused network. Faults: `network-busy`, `network-predefined`. */
  remove(reference: string): Promise<void> {
    return this.#serial.run(() => this.#remove(this.#deps.networks.find(reference)));
  }

  prune(matches: (network: NetworkView) => boolean): Promise<string[]> {
    return this.#serial.run(async () => {
      const removed: string[] = [];
      for (const network of this.#deps.networks.all()) {
        const view = networkView(this.#deps, network);
        if (network.predefined || view.endpoints.length > 0 || this.#wanted(network) || !matches(view)) continue;
        await this.#remove(network);
        removed.push(network.name);
      }
      return removed;
    });
  }

  /** `bridge` and `none`, at the first start. */
  async makePredefined(): Promise<void> {
    if (this.#deps.networks.byName('bridge') === undefined) await this.#make(this.#plan(blank('bridge'), { isDefault: true }));
    if (this.#deps.networks.byName('none') !== undefined) return;
    const { name, internal, labels, enableIpv6, attachable, ipamDriver, ipamOptions, options } = blank('none');
    const shared = { labels, enableIpv6, attachable, ipamDriver, ipamOptions, userSubnet: false, predefined: true, createdAtMs: this.#deps.clock.nowMs() };
    await this.#write({ id: newId(), name, driver: 'none', internal, isDefault: false, pools: [], mtu: DEFAULT_MTU, bridge: '', options, ...shared });
  }

  /** Is a container that may be started again to join it? Then a prune leaves it. */
  #wanted(network: StoredNetwork): boolean {
    return this.#deps.registry
      .all()
      .some((container) => container.starting !== undefined && container.endpoints.some(({ networkId }) => networkId === network.id));
  }

  #plan(request: NewNetwork, { isDefault }: { readonly isDefault: boolean }): StoredNetwork {
    const mtu = Number(request.options['com.docker.network.driver.mtu'] ?? DEFAULT_MTU);
    const definition = this.#deps.networking.plan(
      {
        id: newId(),
        name: request.name,
        driver: 'bridge',
        internal: request.internal,
        isDefault,
        enableIpv6: request.enableIpv6,
        pools: request.pools,
        mtu: Number.isInteger(mtu) && mtu >= 68 && mtu <= 65535 ? mtu : DEFAULT_MTU,
        options: request.options,
      },
      this.#deps.networks.all(),
    );
    return {
      ...definition,
      createdAtMs: this.#deps.clock.nowMs(),
      labels: request.labels,
      enableIpv6: request.enableIpv6,
      attachable: request.attachable,
      ipamDriver: request.ipamDriver === '' ? 'default' : request.ipamDriver,
      ipamOptions: request.ipamOptions,
      userSubnet: request.pools.some((pool) => pool.subnet !== undefined && pool.subnet !== ''),
      predefined: isDefault,
    };
  }

  async #write(network: StoredNetwork): Promise<void> {
    await this.#deps.rows.insertNetwork(network);
    this.#deps.networks.add(network);
  }

  async #make(network: StoredNetwork): Promise<void> {
    await this.#write(network);
    try {
      await bounded(this.#deps.networking.create(network), this.#deps.limits.callMs, 'making the network');
    } catch (error) {
      this.#deps.networks.delete(network.id);
      await this.#deps.networking.remove(network).catch(() => undefined);
      await this.#deps.rows.deleteNetwork(network.id);
      throw error;
    }
  }

  async #remove(network: StoredNetwork): Promise<void> {
    if (network.predefined) throw networkNotRemovable(network.name);
    const { endpoints } = networkView(this.#deps, network);
    if (endpoints.length > 0)
      throw networkBusy(
        network.name,
        network.id,
        endpoints.map((one) => ({ name: one.containerName, id: one.endpointId })),
      );
    // Out of the table first: a start that comes now finds no such network.
    this.#deps.networks.delete(network.id);
    try {
      await bounded(this.#deps.networking.remove(network), this.#deps.limits.callMs, 'removing the network');
    } catch (error) {
      this.#deps.networks.add(network);
      throw error;
    }
    await this.#deps.rows.deleteNetwork(network.id);
    emitNetwork(this.#deps, network, 'destroy');
  }
}

function blank(name: string): NewNetwork {
  const nothing = { ipamDriver: 'default', ipamOptions: {}, options: {}, labels: {} };
  return { name, driver: 'bridge', internal: false, attachable: false, enableIpv6: false, pools: [], ...nothing };
}
