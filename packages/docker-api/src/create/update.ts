import { hostConfigSchema, type HostConfigRequest } from '@berth/docker-wire';
import type { ContainerChange, ContainerView } from '@berth/engine';
import { Fault, isFault } from '@berth/kit';
import { invalid } from '../faults.ts';
import { limitsFor } from './limits.ts';
import { judgeHost } from './option-table.ts';
import { hostConfigOf, type Personality } from './personality.ts';
import { restartPolicy } from './restart.ts';

/** `POST /containers/{id}/update`: the fields of HostConfig that it may carry; what else is sent does not count, as with Docker. */
const updatable = [
  'BlkioWeight',
  'BlkioWeightDevice',
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
  'CpuShares',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpusetCpus',
  'CpusetMems',
  'KernelMemory',
  'Memory',
  'MemoryReservation',
  'MemorySwap',
  'NanoCpus',
  'PidsLimit',
  'RestartPolicy',
] as const satisfies readonly (keyof HostConfigRequest)[];

export interface MappedUpdate {
  readonly change: ContainerChange;
  readonly warnings: readonly string[];
}

/** What `docker update` says, laid over what the container was created with. Faults with dockerd's sentences. */
export function mapUpdate(given: HostConfigRequest, view: ContainerView, hostCpus: number): MappedUpdate {
  const request = hostConfigSchema.parse(Object.fromEntries(updatable.map((field) => [field, given[field]])));
  const { Config, HostConfig } = view.definition.personality as unknown as Personality;
  const before = hostConfigSchema.parse(HostConfig);
  // In a request 0 means "leave it"; wrong values are told as create tells them.
  limitsFor({ ...request, MemorySwap: request.Memory === 0 ? 0 : request.MemorySwap }, hostCpus);
  const warnings = judgeHost(request);
  const restart =
    request.RestartPolicy === undefined || request.RestartPolicy.Name === '' ? undefined : restartPolicy(request.RestartPolicy, { autoRemove: false });
  try {
    requireConsistent(request, before);
    const after: HostConfigRequest = {
      ...before,
      ...Object.fromEntries(updatable.flatMap((field) => (isGiven(request[field]) ? [[field, request[field]]] : []))),
      ...(restart === undefined ? { RestartPolicy: before.RestartPolicy } : {}),
    };
    const { shmBytes: _shm, rlimits: _rlimits, ...limits } = limitsFor(after, hostCpus);
    const personality = { Config, HostConfig: { ...HostConfig, ...hostConfigOf(after) } };
    return { change: { limits, ...(restart === undefined ? {} : { restart }), personality }, warnings };
  } catch (error) {
    throw cannotUpdate(view.definition.id, error);
  }
}

/** As dockerd introduces what went wrong with an update. */
export function cannotUpdate(id: string, error: unknown): unknown {
  if (!isFault(error) || error.kind === 'not-found') return error;
  return new Fault(error.kind, error.code, `Cannot update container ${id}: ${error.message}`, { cause: error });
}

function isGiven(value: unknown): boolean {
  if (value === undefined || value === 0 || value === '') return false;
  return !Array.isArray(value) || value.length > 0;
}

function requireConsistent(request: HostConfigRequest, before: HostConfigRequest): void {
  const conflict = (what: string) => invalid('limit-invalid', `Conflicting options: ${what} has already been set`);
  if (request.NanoCpus > 0 && before.CpuPeriod > 0) throw conflict('Nano CPUs cannot be updated as CPU Period');
  if (request.NanoCpus > 0 && before.CpuQuota > 0) throw conflict('Nano CPUs cannot be updated as CPU Quota');
  if (request.CpuPeriod > 0 && before.NanoCpus > 0) throw conflict('CPU Period cannot be updated as NanoCPUs');
  if (request.CpuQuota > 0 && before.NanoCpus > 0) throw conflict('CPU Quota cannot be updated as NanoCPUs');
  if (request.Memory > 0 && request.MemorySwap === 0 && before.MemorySwap >= 0 && request.Memory > before.MemorySwap) {
    throw invalid('limit-invalid', 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time');
  }
}
