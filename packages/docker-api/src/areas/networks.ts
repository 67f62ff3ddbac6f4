import { connectNetworkSchema, createNetworkSchema, disconnectNetworkSchema, Filters, invalidFilter, matchesName } from '@berth/docker-wire';
import { Fault } from '@berth/kit';
import type { NetworkView } from '@berth/engine';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { jsonBody } from '../body.ts';
import { pruneFilter } from '../container-filters.ts';
import type { Context } from '../context.ts';
import { endpointFor } from '../create/networks.ts';
import { newNetwork } from '../create/new-network.ts';
import { invalid } from '../faults.ts';
import { Query } from '../query.ts';
import { requestMinor } from '../versions.ts';
import { isPredefined, networkView } from '../view/network.ts';

/** A network's name may hold slashes, which clients send as they are. */
type WithName = { Params: { '*': string } };

export function networkArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;

  app.get('/networks', (request) => {
    const minor = requestMinor(request.raw);
    return listNetworks(engine.networks(), new Query(request).text('filters')).map((network) => networkView(network, minor, engine, false));
  });

  app.get<WithName>('/networks/*', (request) => {
    const reference = request.params['*'];
    const scope = new Query(request).text('scope');
    const network = engine.network(reference);
    if (scope !== '' && scope !== 'local') throw new Fault('not-found', 'network-not-found', `network ${reference} not found`);
    return networkView(network, requestMinor(request.raw), engine, true);
  });

  app.post('/networks/create', async (request, reply) => {
    const body = await jsonBody(request, createNetworkSchema, 'NetworkCreateRequest');
    const made = await engine.createNetwork(newNetwork(body));
    return reply.code(201).send({ Id: made.id, Warning: made.warning });
  });

  app.delete<WithName>('/networks/*', async (request, reply) => {
    await engine.removeNetwork(request.params['*']);
    return reply.code(204).send();
  });

  app.post<WithName>('/networks/*', async (request, reply) => {
    const [, reference = '', action] = /^(.*)\/(connect|disconnect)$/.exec(request.params['*']) ?? [];
    if (action === undefined) return reply.code(404).send({ message: 'page not found' });
    await (action === 'connect' ? connect : disconnect)(request, reference);
    return reply.code(200).send();
  });

  async function connect(request: FastifyRequest, reference: string): Promise<void> {
    const body = await jsonBody(request, connectNetworkSchema, 'NetworkConnect');
    const container = engine.container(body.Container);
    if (reference === 'host') {
      throw invalid('network-host', 'container cannot be disconnected from host network or connected to host network');
    }
    const network = engine.network(reference);
    const mode = (container.definition.personality['HostConfig'] as { NetworkMode?: string } | undefined)?.NetworkMode;
    if (network.driver === 'none' || mode === 'none') {
      throw new Fault('forbidden', 'network-none', 'container cannot be connected to multiple networks with one of the networks in private (none) mode');
    }
    const { network: _name, ...wishes } = endpointFor(network.name, body.EndpointConfig);
    await engine.connectNetwork(network.id, container.definition.id, wishes);
  }

  async function disconnect(request: FastifyRequest, reference: string): Promise<void> {
    const body = await jsonBody(request, disconnectNetworkSchema, 'NetworkDisconnect');
    await engine.disconnectNetwork(reference, body.Container, { force: body.Force });
  }

  app.post('/networks/prune', async (request) => {
    const matches = pruneFilter(new Query(request).text('filters'));
    const deleted = await engine.pruneNetworks((network) => matches(network.createdAtMs, network.labels));
    return { NetworksDeleted: deleted.length === 0 ? null : deleted };
  });
}

function listNetworks(networks: readonly NetworkView[], text: string): NetworkView[] {
  const filters = Filters.parse(text, ['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type']);
  const dangling = filters.boolean('dangling');
  for (const type of filters.values('type')) if (!['custom', 'builtin'].includes(type)) throw invalidFilter('type', [type]);
  return networks.filter(
    (network) =>
      filters.any('name', (value) => matchesName(value, network.name)) &&
      filters.any('id', (value) => matchesName(value, network.id)) &&
      filters.any('driver', (value) => value === (network.driver === 'none' ? 'null' : network.driver)) &&
      filters.any('scope', (value) => value === 'local') &&
      filters.any('type', (value) => (value === 'builtin') === isPredefined(network)) &&
      filters.labels(network.labels) &&
      (dangling === undefined || (!isPredefined(network) && network.endpoints.length === 0) === dangling),
  );
}
