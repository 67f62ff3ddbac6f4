import type { HostConfigRequest } from '@berth/docker-wire';
import { invalid } from '../faults.ts';

export interface LimitConfig {
  readonly memoryBytes?: number;
  readonly memorySwapBytes?: number;
  readonly cpus?: number;
  readonly pids?: number;
  readonly shmBytes: number;
  readonly rlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}

const mib = 1024 * 1024;
const rlimitNames = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** Memory, CPUs, processes and rlimits. Faults `limit-invalid` with Docker's sentences. */
export function limitsFor(host: HostConfigRequest, hostCpus: number): LimitConfig {
  const memory = memoryFor(host);
  const cpus = cpusFor(host, hostCpus);
  if (host.ShmSize < 0) throw invalid('limit-invalid', 'SHM size can not be less than 0');
  const pids = host.PidsLimit ?? 0;
  return {
    ...memory,
    ...(cpus === undefined ? {} : { cpus }),
    ...(pids > 0 ? { pids } : {}),
    shmBytes: host.ShmSize === 0 ? 64 * mib : host.ShmSize,
    rlimits: host.Ulimits.map(rlimit),
  };
}

function memoryFor(host: HostConfigRequest): { memoryBytes?: number; memorySwapBytes?: number } {
  const { Memory: memory, MemorySwap: swap } = host;
  if (memory !== 0 && memory < 6 * mib) throw invalid('limit-invalid', 'Minimum memory limit allowed is 6MB');
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid('limit-invalid', 'Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0) {
    throw invalid('limit-invalid', 'You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (host.MemorySwappiness !== undefined && (host.MemorySwappiness < -1 || host.MemorySwappiness > 100)) {
    throw invalid('limit-invalid', `Invalid value: ${host.MemorySwappiness}, valid memory swappiness range is 0-100`);
  }
  return memory === 0 ? {} : { memoryBytes: memory, memorySwapBytes: effectiveSwap(memory, swap) };
}

/** Docker's rule: without a value, as much swap as memory. -1 is no limit. */
export function effectiveSwap(memory: number, swap: number): number {
  return memory > 0 && swap === 0 ? memory * 2 : swap;
}

function cpusFor(host: HostConfigRequest, hostCpus: number): number | undefined {
  if (host.NanoCpus !== 0) {
    if (host.CpuPeriod > 0) throw invalid('limit-invalid', 'Conflicting options: Nano CPUs and CPU Period cannot both be set');
    if (host.CpuQuota > 0) throw invalid('limit-invalid', 'Conflicting options: Nano CPUs and CPU Quota cannot both be set');
    if (host.NanoCpus < 1e7 || host.NanoCpus > hostCpus * 1e9) {
      throw invalid('limit-invalid', `range of CPUs is from 0.01 to ${hostCpus}.00, as there are only ${hostCpus} CPUs available`);
    }
    return host.NanoCpus / 1e9;
  }
  if (host.CpuPeriod !== 0 && (host.CpuPeriod < 1000 || host.CpuPeriod > 1_000_000)) {
    throw invalid('limit-invalid', 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (host.CpuQuota > 0 && host.CpuQuota < 1000) throw invalid('limit-invalid', 'CPU cfs quota can not be less than 1ms (i.e. 1000)');
  return host.CpuQuota > 0 ? host.CpuQuota / (host.CpuPeriod || 100_000) : undefined;
}

function rlimit(limit: { Name: string; Soft: number; Hard: number }): LimitConfig['rlimits'][number] {
  if (!rlimitNames.includes(limit.Name)) throw invalid('limit-invalid', `invalid ulimit type: ${limit.Name}`);
  if (limit.Hard !== -1 && (limit.Soft === -1 || limit.Soft > limit.Hard)) {
    throw invalid('limit-invalid', `ulimit soft limit must be less than or equal to hard limit: ${limit.Soft} > ${limit.Hard}`);
  }
  return { name: limit.Name, soft: limit.Soft, hard: limit.Hard };
}
