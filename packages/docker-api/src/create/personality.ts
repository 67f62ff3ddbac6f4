import type { CreateContainerRequest, HostConfigRequest } from '@berth/docker-wire';
import { effectiveSwap } from './limits.ts';
import type { ProcessConfig } from './process-config.ts';

/** Docker's own view of a container, kept with it and given back by inspect: Config and HostConfig as dockerd fills them in. */
export interface Personality {
  readonly Config: Readonly<Record<string, unknown>>;
  readonly HostConfig: Readonly<Record<string, unknown>>;
}

const orNull = <T>(list: readonly T[]) => (list.length === 0 ? null : list);

export function personalityOf(
  request: CreateContainerRequest,
  host: HostConfigRequest,
  process: ProcessConfig,
  {
    exposed,
    volumes,
    runtime,
    health,
  }: {
    readonly exposed: readonly string[];
    readonly volumes: readonly string[];
    readonly runtime: string;
    readonly health?: Readonly<Record<string, unknown>>;
  },
): Personality {
  const allVolumes = [...new Set([...Object.keys(request.Volumes), ...volumes])];
  return {
    Config: {
      Hostname: request.Hostname,
      Domainname: request.Domainname,
      User: process.user,
      AttachStdin: request.AttachStdin,
      AttachStdout: request.AttachStdout,
      AttachStderr: request.AttachStderr,
      ...(exposed.length === 0 ? {} : { ExposedPorts: Object.fromEntries(exposed.map((key) => [key, {}])) }),
      Tty: request.Tty,
      OpenStdin: request.OpenStdin,
      StdinOnce: request.StdinOnce,
      Env: process.env,
      Cmd: process.cmd ?? null,
      ...(health === undefined ? {} : { Healthcheck: health }),
      Image: request.Image,
      Volumes: allVolumes.length === 0 ? null : Object.fromEntries(allVolumes.map((target) => [target, {}])),
      WorkingDir: process.cwd,
      Entrypoint: process.entrypoint ?? null,
      ...(request.NetworkDisabled ? { NetworkDisabled: true } : {}),
      OnBuild: null,
      Labels: process.labels,
      ...(process.stopSignal === '' ? {} : { StopSignal: process.stopSignal }),
      ...(request.StopTimeout === undefined ? {} : { StopTimeout: request.StopTimeout }),
      ...(request.Shell === undefined ? {} : { Shell: request.Shell }),
    },
    HostConfig: {
      ...hostConfigOf(host),
      Binds: orNull(host.Binds),
      ContainerIDFile: host.ContainerIDFile,
      LogConfig: { Type: host.LogConfig?.Type || 'json-file', Config: host.LogConfig?.Config ?? {} },
      NetworkMode: host.NetworkMode === '' || host.NetworkMode === 'default' ? 'bridge' : host.NetworkMode,
      PortBindings: host.PortBindings,
      AutoRemove: host.AutoRemove,
      VolumeDriver: host.VolumeDriver,
      VolumesFrom: orNull(host.VolumesFrom),
      ConsoleSize: host.ConsoleSize ?? [0, 0],
      ...(Object.keys(host.Annotations).length === 0 ? {} : { Annotations: host.Annotations }),
      ...(host.Mounts.length === 0 ? {} : { Mounts: host.Mounts.map(mountView) }),
      CapAdd: host.CapAdd ?? null,
      CapDrop: host.CapDrop ?? null,
      CgroupnsMode: host.CgroupnsMode || 'private',
      Dns: host.Dns,
      DnsOptions: host.DnsOptions,
      DnsSearch: host.DnsSearch,
      ExtraHosts: orNull(host.ExtraHosts),
      GroupAdd: orNull(host.GroupAdd),
      IpcMode: host.IpcMode || 'private',
      Cgroup: host.Cgroup,
      Links: null,
      OomScoreAdj: host.OomScoreAdj,
      PidMode: '',
      Privileged: host.Privileged,
      PublishAllPorts: host.PublishAllPorts,
      ReadonlyRootfs: host.ReadonlyRootfs,
      SecurityOpt: orNull(host.SecurityOpt),
      ...(Object.keys(host.Tmpfs).length === 0 ? {} : { Tmpfs: host.Tmpfs }),
      UTSMode: '',
      UsernsMode: host.UsernsMode,
      ShmSize: host.ShmSize === 0 ? 64 * 1024 * 1024 : host.ShmSize,
      ...(Object.keys(host.Sysctls).length === 0 ? {} : { Sysctls: host.Sysctls }),
      Runtime: runtime,
      Isolation: '',
      CgroupParent: '',
      BlkioWeightDevice: [],
      BlkioDeviceReadBps: [],
      BlkioDeviceWriteBps: [],
      BlkioDeviceReadIOps: [],
      BlkioDeviceWriteIOps: [],
      CpuRealtimePeriod: 0,
      CpuRealtimeRuntime: 0,
      CpusetCpus: '',
      CpusetMems: '',
      Devices: [],
      DeviceCgroupRules: null,
      DeviceRequests: null,
      MemorySwappiness: host.MemorySwappiness === -1 ? null : (host.MemorySwappiness ?? null),
      OomKillDisable: false,
      ...(host.Init === undefined ? {} : { Init: host.Init }),
      Ulimits: host.Ulimits,
      CpuCount: host.CpuCount,
      CpuPercent: host.CpuPercent,
      IOMaximumIOps: host.IOMaximumIOps,
      IOMaximumBandwidth: host.IOMaximumBandwidth,
      MaskedPaths: host.MaskedPaths ?? [],
      ReadonlyPaths: host.ReadonlyPaths ?? [],
    },
  };
}

/** The part that an update may change. */
export function hostConfigOf(host: HostConfigRequest): Record<string, unknown> {
  return {
    RestartPolicy: { Name: host.RestartPolicy?.Name || 'no', MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0 },
    CpuShares: host.CpuShares,
    Memory: host.Memory,
    NanoCpus: host.NanoCpus,
    BlkioWeight: host.BlkioWeight,
    CpuPeriod: host.CpuPeriod,
    CpuQuota: host.CpuQuota,
    MemoryReservation: host.MemoryReservation,
    MemorySwap: effectiveSwap(host.Memory, host.MemorySwap),
    PidsLimit: (host.PidsLimit ?? 0) > 0 ? host.PidsLimit : null,
  };
}

function mountView(mount: HostConfigRequest['Mounts'][number]): Record<string, unknown> {
  return {
    Type: mount.Type,
    ...(mount.Source === '' ? {} : { Source: mount.Source }),
    Target: mount.Target,
    ...(mount.ReadOnly ? { ReadOnly: true } : {}),
    ...(mount.BindOptions === undefined ? {} : { BindOptions: mount.BindOptions }),
    ...(mount.VolumeOptions === undefined ? {} : { VolumeOptions: mount.VolumeOptions }),
    ...(mount.TmpfsOptions === undefined ? {} : { TmpfsOptions: { SizeBytes: mount.TmpfsOptions.SizeBytes, Mode: mount.TmpfsOptions.Mode } }),
  };
}
