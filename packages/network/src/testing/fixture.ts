import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@berth/kit';
import { listLinks, listNftTable } from '@berth/sys';
import { type EndpointDefinition, HostNetworking, type NetworkDefinition, type PortRequest } from '../index.ts';
import { Guest } from './guest.ts';

export const prefix = 'btt';

/** Networking for one test, and everything the test makes with it; disposing removes all and asserts that nothing is left. */
export class Fixture implements AsyncDisposable {
  readonly runDirectory: string;
  readonly warnings: string[] = [];
  /** Keep warnings to `warnings`, for the test to look at. */
  quiet = false;
  readonly networks: NetworkDefinition[] = [];
  #networking: HostNetworking | undefined;
  readonly #guests: Guest[] = [];
  readonly #upstreams: readonly string[] | undefined;

  private constructor(runDirectory: string, upstreams: readonly string[] | undefined) {
    this.runDirectory = runDirectory;
    this.#upstreams = upstreams;
  }

  get networking(): HostNetworking {
    assert.ok(this.#networking);
    return this.#networking;
  }

  static async open(options: { upstreams?: readonly string[] } = {}): Promise<Fixture> {
    const runDirectory = await mkdtemp(join(tmpdir(), 'berth-net-'));
    const fixture = new Fixture(runDirectory, options.upstreams);
    await fixture.#open();
    return fixture;
  }

  /** Ends the daemon's side and begins anew, as after a crash: nothing but what the kernel holds is kept. */
  async reopen(): Promise<void> {
    await this.networking[Symbol.asyncDispose]();
    await this.#open();
  }

  async #open(): Promise<void> {
    const warn = (fields: object, message: string) => {
      this.warnings.push(message);
      if (!this.quiet) console.warn(message, fields);
    };
    const log = { info: () => undefined, warn, error: warn };
    const upstreams = this.#upstreams === undefined ? {} : { upstreams: this.#upstreams };
    this.#networking = await HostNetworking.open({ prefix, runDirectory: this.runDirectory, log, ...upstreams }, { signal: AbortSignal.timeout(20_000) });
  }

  plan(name: string, more: Partial<NetworkDefinition> = {}): NetworkDefinition {
    const wish = { id: newId(), name, driver: 'bridge' as const, internal: false, isDefault: false, mtu: 1500, options: {}, ...more };
    return this.networking.plan({ ...wish, pools: more.pools ?? [] }, this.networks);
  }

  async create(name: string, more: Partial<NetworkDefinition> = {}): Promise<NetworkDefinition> {
    const network = this.plan(name, more);
    await this.networking.create(network);
    this.networks.push(network);
    return network;
  }

  /** A running container named `name`, on one network. */
  async join(network: NetworkDefinition, name: string, containerId: string = newId()): Promise<{ endpoint: EndpointDefinition; guest: Guest }> {
    const endpoint = this.networking.allocate(network, { containerId, names: [name] });
    const guest = await Guest.make(this.networking.nic(network, endpoint, 'eth0', true));
    this.#guests.push(guest);
    this.networking.announce(endpoint);
    return { endpoint, guest };
  }

  /** The same container on a further network. */
  async joinAlso(network: NetworkDefinition, { endpoint, guest }: { endpoint: EndpointDefinition; guest: Guest }): Promise<EndpointDefinition> {
    const further = this.networking.allocate(network, { containerId: endpoint.containerId, names: endpoint.names });
    await guest.plug(this.networking.nic(network, further, 'eth1', false));
    return further;
  }

  async publish(endpoint: EndpointDefinition, ...requests: Partial<PortRequest>[]): Promise<number[]> {
    const publications = await this.networking.publish(
      endpoint.containerId,
      { ipv4: endpoint.ipv4.address, ...(endpoint.ipv6 === undefined ? {} : { ipv6: endpoint.ipv6.address }) },
      requests.map((request) => ({ protocol: 'tcp', containerPort: 80, hostAddress: '', hostPortFirst: 0, hostPortLast: 0, ...request })),
    );
    return publications.map((publication) => publication.hostPort);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const guest of this.#guests) await guest[Symbol.asyncDispose]();
    await this.networking.erase();
    await rm(this.runDirectory, { recursive: true });
    assert.deepEqual(await ourLinks(), []);
    assert.equal(await listNftTable('inet', prefix), undefined);
  }
}

export async function ourLinks(): Promise<string[]> {
  return (await listLinks()).map((link) => link.ifname).filter((name) => name.startsWith(prefix));
}

/** `set: number of elements` for every set of the firewall table that isn't empty. */
export async function ourElements(): Promise<string[]> {
  const bodies = ((await listNftTable('inet', prefix)) ?? []).map((object) => object['set'] ?? object['map'] ?? {});
  return bodies.flatMap((body) => (Array.isArray(body['elem']) ? [`${String(body['name'])}: ${body['elem'].length}`] : []));
}

/** How many packets the firewall has dropped for this reason. */
export async function dropped(counter: string): Promise<number> {
  const objects = (await listNftTable('inet', prefix)) ?? [];
  const body = objects.find((object) => object['counter']?.['name'] === counter)?.['counter'];
  assert.ok(body, `no counter ${counter}`);
  return Number(body['packets']);
}
