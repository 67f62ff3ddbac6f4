import { setTimeout as delay } from 'node:timers/promises';
import { rfc3339, zeroTime } from '@berth/docker-wire';
import type { Engine } from '@berth/engine';
import type { Statistics } from '@berth/runtime';

/** `docker stats` of one container: each sample carries the one before it, by which clients work out percentages. */
export class StatisticsView {
  readonly #engine: Engine;
  readonly #id: string;
  #previous: Statistics | undefined;

  constructor(engine: Engine, id: string) {
    this.#engine = engine;
    this.#id = id;
  }

  /** One sample now; zeros for a container that doesn't run, as in Docker. */
  async sample(): Promise<Record<string, unknown>> {
    const view = this.#engine.container(this.#id);
    const base = { id: view.definition.id, name: `/${view.definition.name}` };
    if (view.state.phase !== 'running' && view.state.phase !== 'paused') {
      this.#previous = undefined;
      return { ...base, ...emptySample };
    }
    const now = await this.#engine.statistics(this.#id);
    const previous = this.#previous;
    this.#previous = now;
    return {
      ...base,
      read: rfc3339(now.readAtMs),
      preread: previous === undefined ? zeroTime : rfc3339(previous.readAtMs),
      num_procs: 0,
      pids_stats: { current: now.pids, ...(now.pidsLimit === undefined ? {} : { limit: now.pidsLimit }) },
      cpu_stats: cpu(now),
      precpu_stats: previous === undefined ? emptyCpu : cpu(previous),
      memory_stats: {
        usage: now.memoryUsageBytes,
        limit: now.memoryLimitBytes,
        // The CLI takes this off the usage: pages the kernel can have back.
        stats: { inactive_file: now.memoryCacheBytes, file: now.memoryCacheBytes },
      },
      blkio_stats: {
        io_service_bytes_recursive: [
          { major: 0, minor: 0, op: 'read', value: now.blockReadBytes },
          { major: 0, minor: 0, op: 'write', value: now.blockWriteBytes },
        ],
        io_serviced_recursive: null,
        io_queue_recursive: null,
        io_service_time_recursive: null,
        io_wait_time_recursive: null,
        io_merged_recursive: null,
        io_time_recursive: null,
        sectors_recursive: null,
      },
      storage_stats: {},
      networks: Object.fromEntries(Object.entries(now.networks).map(([name, counters]) => [name, network(counters)])),
    };
  }

  /** A sample now and then every so often, until aborted or the container is gone. */
  async *every(periodMs: number, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
    while (!signal.aborted) {
      yield await this.sample();
      await this.pause(periodMs, signal);
    }
  }

  async pause(ms: number, signal: AbortSignal): Promise<void> {
    await delay(ms, undefined, { signal }).catch(() => undefined);
  }
}

function cpu(now: Statistics): Record<string, unknown> {
  return {
    cpu_usage: { total_usage: now.cpuUsageNs, usage_in_kernelmode: now.cpuSystemNs, usage_in_usermode: now.cpuUserNs },
    system_cpu_usage: now.systemCpuNs,
    online_cpus: now.onlineCpus,
    throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
  };
}

function network(counters: Statistics['networks'][string]): Record<string, number> {
  return {
    rx_bytes: counters.rxBytes,
    rx_packets: counters.rxPackets,
    rx_errors: counters.rxErrors,
    rx_dropped: counters.rxDropped,
    tx_bytes: counters.txBytes,
    tx_packets: counters.txPackets,
    tx_errors: counters.txErrors,
    tx_dropped: counters.txDropped,
  };
}

const emptyCpu = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

const emptySample = {
  read: zeroTime,
  preread: zeroTime,
  num_procs: 0,
  pids_stats: {},
  cpu_stats: emptyCpu,
  precpu_stats: emptyCpu,
  memory_stats: {},
  blkio_stats: {
    io_service_bytes_recursive: null,
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  },
  storage_stats: {},
};
