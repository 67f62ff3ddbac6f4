import type { NetworkDefinition } from '@berth/network';
import { networkAmbiguous, networkNotFound } from './faults.ts';

/** A network as its row keeps it. */
export interface StoredNetwork extends NetworkDefinition {
  readonly createdAtMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly enableIpv6: boolean;
  readonly attachable: boolean;
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  /** The user chose the subnet, so fixed addresses may be asked for. */
  readonly userSubnet: boolean;
  /** `bridge` and `none`: always there. */
  readonly predefined: boolean;
}

/** The networks there are. */
export class NetworkTable {
  readonly #byId = new Map<string, StoredNetwork>();

  all(): StoredNetwork[] {
    return [...this.#byId.values()];
  }

  byId(id: string): StoredNetwork | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): StoredNetwork | undefined {
    return this.all().find((network) => network.name === name);
  }

  /** By full id, name or unique prefix of an id. Faults: `network-not-found`, `network-ambiguous`. */
  find(reference: string): StoredNetwork {
    // `docker run --network default` means the network that is joined when none is named.
    const exact =
      this.#byId.get(reference) ?? this.byName(reference) ?? (reference === 'default' ? this.all().find((network) => network.isDefault) : undefined);
    if (exact !== undefined) return exact;
    const matches = reference === '' ? [] : this.all().filter((network) => network.id.startsWith(reference));
    if (matches.length > 1) throw networkAmbiguous(reference);
    const [match] = matches;
    if (match === undefined) throw networkNotFound(reference);
    return match;
  }

  add(network: StoredNetwork): void {
    this.#byId.set(network.id, network);
  }

  delete(id: string): void {
    this.#byId.delete(id);
  }
}
