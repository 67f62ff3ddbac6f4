import { z } from 'zod';
import { goArguments, goBool, goInt, goObject, goSet, goString, goStringMap, goStrings } from './json.ts';

/** `POST /containers/create`: Docker's Config with HostConfig and NetworkingConfig inside it. */

export const healthcheckSchema = goObject({
  Test: goStrings(),
  Interval: goInt(),
  Timeout: goInt(),
  StartPeriod: goInt(),
  StartInterval: goInt(),
  Retries: goInt(),
});

const portBinding = goObject({
  HostIp: goString(),
  // Some clients send a number; Docker itself only takes text, and a number cannot mean anything else.
  HostPort: z.preprocess((value) => (typeof value === 'number' ? String(value) : value), goString()),
});

const device = goObject({ PathOnHost: goString(), PathInContainer: goString(), CgroupPermissions: goString() });
const throttle = z.array(goObject({ Path: goString(), Rate: goInt() })).default([]);

const mount = goObject({
  Type: goString(),
  Source: goString(),
  Target: goString(),
  ReadOnly: goBool(),
  Consistency: goString(),
  BindOptions: goObject({
    Propagation: goString(),
    NonRecursive: goBool(),
    CreateMountpoint: goBool(),
    ReadOnlyNonRecursive: goBool(),
    ReadOnlyForceRecursive: goBool(),
  }).optional(),
  VolumeOptions: goObject({
    NoCopy: goBool(),
    Labels: goStringMap(),
    DriverConfig: goObject({ Name: goString(), Options: goStringMap() }).optional(),
    Subpath: goString(),
  }).optional(),
  TmpfsOptions: goObject({ SizeBytes: goInt(), Mode: goInt(), Options: z.array(z.array(z.string())).default([]) }).optional(),
});

export const hostConfigSchema = goObject({
  // Limits
  CpuShares: goInt(),
  Memory: goInt(),
  NanoCpus: goInt(),
  CgroupParent: goString(),
  BlkioWeight: goInt(),
  BlkioWeightDevice: z.array(goObject({ Path: goString(), Weight: goInt() })).default([]),
  BlkioDeviceReadBps: throttle,
  BlkioDeviceWriteBps: throttle,
  BlkioDeviceReadIOps: throttle,
  BlkioDeviceWriteIOps: throttle,
  CpuPeriod: goInt(),
  CpuQuota: goInt(),
  CpuRealtimePeriod: goInt(),
  CpuRealtimeRuntime: goInt(),
  CpusetCpus: goString(),
  CpusetMems: goString(),
  Devices: z.array(device).default([]),
  DeviceCgroupRules: goStrings(),
  DeviceRequests: z.array(z.unknown()).default([]),
  KernelMemory: goInt(),
  KernelMemoryTCP: goInt(),
  MemoryReservation: goInt(),
  MemorySwap: goInt(),
  MemorySwappiness: z.int().optional(),
  OomKillDisable: z.boolean().optional(),
  Init: z.boolean().optional(),
  PidsLimit: z.int().optional(),
  Ulimits: z.array(goObject({ Name: goString(), Soft: goInt(), Hard: goInt() })).default([]),
  CpuCount: goInt(),
  CpuPercent: goInt(),
  IOMaximumIOps: goInt(),
  IOMaximumBandwidth: goInt(),
  // The rest
  Binds: goStrings(),
  ContainerIDFile: goString(),
  LogConfig: goObject({ Type: goString(), Config: goStringMap() }).optional(),
  NetworkMode: goString(),
  PortBindings: z
    .record(
      z.string(),
      z.preprocess((value) => value ?? [], z.array(portBinding)),
    )
    .default({}),
  RestartPolicy: goObject({ Name: goString(), MaximumRetryCount: goInt() }).optional(),
  AutoRemove: goBool(),
  VolumeDriver: goString(),
  VolumesFrom: goStrings(),
  Mounts: z.array(mount).default([]),
  ConsoleSize: z.array(z.int()).optional(),
  Annotations: goStringMap(),
  CapAdd: goArguments(),
  CapDrop: goArguments(),
  CgroupnsMode: goString(),
  Dns: goStrings(),
  DnsOptions: goStrings(),
  DnsSearch: goStrings(),
  ExtraHosts: goStrings(),
  GroupAdd: goStrings(),
  IpcMode: goString(),
  Cgroup: goString(),
  Links: goStrings(),
  OomScoreAdj: goInt(),
  PidMode: goString(),
  Privileged: goBool(),
  PublishAllPorts: goBool(),
  ReadonlyRootfs: goBool(),
  SecurityOpt: goStrings(),
  StorageOpt: goStringMap(),
  Tmpfs: goStringMap(),
  UTSMode: goString(),
  UsernsMode: goString(),
  ShmSize: goInt(),
  Sysctls: goStringMap(),
  Runtime: goString(),
  Isolation: goString(),
  MaskedPaths: goStrings().optional(),
  ReadonlyPaths: goStrings().optional(),
});

export const endpointSchema = goObject({
  IPAMConfig: goObject({ IPv4Address: goString(), IPv6Address: goString(), LinkLocalIPs: goStrings() }).optional(),
  Links: goStrings(),
  Aliases: goStrings(),
  MacAddress: goString(),
  DriverOpts: goStringMap(),
  GwPriority: goInt(),
});

export const createContainerSchema = goObject({
  Hostname: goString(),
  Domainname: goString(),
  User: goString(),
  AttachStdin: goBool(),
  AttachStdout: goBool(),
  AttachStderr: goBool(),
  ExposedPorts: goSet(),
  Tty: goBool(),
  OpenStdin: goBool(),
  StdinOnce: goBool(),
  Env: goStrings(),
  Cmd: goArguments(),
  Healthcheck: healthcheckSchema.optional(),
  ArgsEscaped: goBool(),
  Image: goString(),
  Volumes: goSet(),
  WorkingDir: goString(),
  Entrypoint: goArguments(),
  NetworkDisabled: goBool(),
  MacAddress: goString(),
  OnBuild: goStrings(),
  Labels: goStringMap(),
  StopSignal: goString(),
  StopTimeout: z.int().optional(),
  Shell: goArguments(),
  HostConfig: hostConfigSchema.optional(),
  NetworkingConfig: goObject({
    EndpointsConfig: z
      .record(
        z.string(),
        z.preprocess((value) => value ?? {}, endpointSchema),
      )
      .default({}),
  }).optional(),
});

export type CreateContainerRequest = z.output<typeof createContainerSchema>;
export type HostConfigRequest = z.output<typeof hostConfigSchema>;
export type EndpointRequest = z.output<typeof endpointSchema>;
export type HealthcheckRequest = z.output<typeof healthcheckSchema>;
export type MountRequest = z.output<typeof mount>;
