import { BUILD_CACHE_LABEL } from '@berth/builder';
import { createVolumeSchema, Filters, matchesName } from '@berth/docker-wire';
import type { VolumeView } from '@berth/engine';
import type { FastifyInstance } from 'fastify';
import { optionalJsonBody } from '../body.ts';
import type { Context } from '../context.ts';
import { notYet } from '../faults.ts';
import { Query } from '../query.ts';
import { requestMinor } from '../versions.ts';
import { volumeView } from '../view/volume.ts';

type WithName = { Params: { name: string } };

/** Caches of builds are seen by `docker system df` and ended by `docker builder prune`. */
const isShown = ({ labels }: VolumeView): boolean => labels[BUILD_CACHE_LABEL] === undefined;

export function volumeArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;

  app.get('/volumes', (request) => {
    const volumes = listVolumes(engine.volumes().filter(isShown), new Query(request).text('filters'));
    return { Volumes: volumes.map((volume) => volumeView(volume)), Warnings: null };
  });

  app.get<WithName>('/volumes/:name', (request) => volumeView(engine.volume(request.params.name)));

  app.post('/volumes/create', async (request, reply) => {
    const body = await optionalJsonBody(request, createVolumeSchema, 'VolumeCreateOptions');
    if (body.ClusterVolumeSpec !== undefined) throw notYet('A cluster volume is', 'there is no swarm');
    const volume = await engine.createVolume({ name: body.Name, driver: body.Driver, options: body.DriverOpts, labels: body.Labels });
    return reply.code(201).send(volumeView(volume));
  });

  app.delete<WithName>('/volumes/:name', async (request, reply) => {
    await engine.removeVolume(request.params.name, { force: new Query(request).flag('force') });
    return reply.code(204).send();
  });

  app.post('/volumes/prune', async (request) => {
    const filters = Filters.parse(new Query(request).text('filters'), ['label', 'label!', 'all']);
    // Since 1.42 named ones stay unless they are asked for.
    const all = requestMinor(request.raw) < 42 || filters.boolean('all') === true;
    const { deleted, reclaimedBytes } = await engine.pruneVolumes((volume) => isShown(volume) && (all || volume.anonymous) && filters.labels(volume.labels));
    return { VolumesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimedBytes };
  });
}

function listVolumes(volumes: readonly VolumeView[], text: string): VolumeView[] {
  const filters = Filters.parse(text, ['dangling', 'driver', 'label', 'label!', 'name']);
  const dangling = filters.boolean('dangling');
  return volumes
    .filter(
      (volume) =>
        filters.any('name', (value) => matchesName(value, volume.name)) &&
        filters.any('driver', (value) => value === volume.driver) &&
        filters.labels(volume.labels) &&
        (dangling === undefined || (volume.users.length === 0) === dangling),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
