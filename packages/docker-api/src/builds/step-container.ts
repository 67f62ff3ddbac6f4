import type { StepProcess } from '@berth/builder';
import { createContainerSchema, readJson } from '@berth/docker-wire';
import type { NewContainer } from '@berth/engine';
import type { Image } from '@berth/images';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { mapContainer } from '../create/new-container.ts';
import { Query } from '../query.ts';
import { requestMinor } from '../versions.ts';
import { jsonValue } from './options.ts';

const nothing: Image = {
  id: '',
  configuration: { rootfs: { type: 'layers', diff_ids: [] } },
  tags: [],
  digests: [],
  sizeBytes: 0,
  layers: [],
  createdAtMs: 0,
  lastTaggedAtMs: 0,
  parentId: '',
  hasChildren: false,
};

/** The containers of steps, as `docker create` would make them with the limits and networks of the build. Faults are told now. */
export function stepContainer(context: Context, request: FastifyRequest): (step: StepProcess) => NewContainer {
  const query = new Query(request);
  const number = (name: string) => query.integer(name) ?? 0;
  const host = {
    Memory: number('memory'),
    MemorySwap: number('memswap'),
    CpuShares: number('cpushares'),
    CpuPeriod: number('cpuperiod'),
    CpuQuota: number('cpuquota'),
    CpusetCpus: query.text('cpusetcpus'),
    CpusetMems: query.text('cpusetmems'),
    CgroupParent: query.text('cgroupparent'),
    ShmSize: number('shmsize'),
    Ulimits: jsonValue(query, 'ulimits') ?? [],
    SecurityOpt: jsonValue(query, 'securityopt') ?? [],
    ExtraHosts: query
      .texts('extrahosts')
      .flatMap((hosts) => hosts.split(','))
      .filter((one) => one !== ''),
  };
  const minor = requestMinor(request.raw);
  const make = ({ image, args, env, cwd, user, network }: StepProcess): NewContainer => {
    const body = {
      Image: image.id,
      Cmd: args,
      Entrypoint: [''],
      Env: env,
      WorkingDir: cwd,
      User: user,
      Healthcheck: { Test: ['NONE'] },
      HostConfig: { ...host, NetworkMode: network === 'none' ? 'none' : query.text('networkmode') },
    };
    return mapContainer(readJson(createContainerSchema, JSON.stringify(body), 'ContainerConfig'), '', image, context.engine, { minor }).container;
  };
  make({ image: nothing, args: ['true'], env: [], cwd: '/', user: '', network: 'default' });
  return make;
}
