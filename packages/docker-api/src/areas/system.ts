import { release } from 'node:os';
import { BUILD_CACHE_LABEL, type BuildCache } from '@berth/builder';
import { rfc3339 } from '@berth/docker-wire';
import type { RuntimeFacts } from '@berth/runtime';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { newestFirst } from '../container-filters.ts';
import type { Context } from '../context.ts';
import { logDrivers } from '../create/logging.ts';
import { isStep } from '../image-filters.ts';
import { newestVersion, oldestVersion, requestMinor } from '../versions.ts';
import { summaryView } from '../view/container-summary.ts';
import { volumeView } from '../view/volume.ts';
import { imageSummary } from '../view/image.ts';

/** Who is there: ping, version, info, disk use. */
export function systemArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;
  const ping = (reply: FastifyReply) =>
    reply
      .header('Cache-Control', 'no-cache, no-store, must-revalidate')
      .header('Pragma', 'no-cache')
      // 1 is the classic builder; there is no BuildKit to talk to.
      .header('Builder-Version', '1')
      .header('Swarm', 'inactive')
      .type('text/plain; charset=utf-8');
  app.get('/_ping', (_request, reply) => ping(reply).send('OK'));
  app.head('/_ping', (_request, reply) => ping(reply).send());

  app.get('/version', () => {
    const facts = engine.facts();
    const kernel = release();
    return {
      Platform: { Name: `Berth ${context.version}` },
      Version: context.version,
      ApiVersion: newestVersion,
      MinAPIVersion: oldestVersion,
      Os: 'linux',
      Arch: goArchitecture(),
      KernelVersion: kernel,
      GitCommit: context.commit,
      GoVersion: '',
      BuildTime: '',
      Components: [
        {
          Name: 'Engine',
          Version: context.version,
          Details: {
            ApiVersion: newestVersion,
            Arch: goArchitecture(),
            BuildTime: '',
            Experimental: 'false',
            GitCommit: context.commit,
            GoVersion: `none (Node ${process.versions.node})`,
            KernelVersion: kernel,
            MinAPIVersion: oldestVersion,
            Os: 'linux',
          },
        },
        ...facts.runtimes.map((runtime) => ({
          Name: runtime.name,
          Version: runtime.version,
          Details: { Acceleration: runtime.acceleration, GuestKernel: runtime.kernel },
        })),
      ],
    };
  });

  app.get('/info', (request) => infoView(context, requestMinor(request.raw)));

  app.get('/system/df', async (request) => {
    const minor = requestMinor(request.raw);
    const containers = engine.containers().toSorted(newestFirst);
    const images = engine.images.list().filter((image) => !isStep(image));
    const used = (id: string) => containers.filter((container) => container.definition.imageId === id).length;
    return {
      LayersSize: layersSize(context),
      Images: images.map((image) => ({ ...imageSummary(image, minor), Containers: used(image.id), SharedSize: 0 })),
      Containers: await Promise.all(
        containers.map(async (container) =>
          summaryView(container, engine, minor, Date.now(), {
            rw: await engine.writableSize(container.definition.id),
            root: images.find((image) => image.id === container.definition.imageId)?.sizeBytes ?? 0,
          }),
        ),
      ),
      Volumes: await Promise.all(
        engine
          .volumes()
          .filter(({ labels }) => labels[BUILD_CACHE_LABEL] === undefined)
          .map(async (volume) => volumeView(volume, { sizeBytes: await engine.volumeSize(volume.name).catch(() => -1) })),
      ),
      BuildCache: (await context.builder.caches()).map(cacheView),
      ...(minor < 42 ? { BuilderSize: 0 } : {}),
    };
  });
}

function cacheView({ id, volume, sizeBytes, createdAtMs, inUse }: BuildCache): Record<string, unknown> {
  const created = rfc3339(createdAtMs);
  const common = { Type: 'exec.cachemount', InUse: inUse, Shared: false, Size: sizeBytes, CreatedAt: created, LastUsedAt: created, UsageCount: 1 };
  return { ID: volume, Description: `mount of ${id}`, ...common };
}

function layersSize(context: Context): number {
  const sizes = new Map(context.engine.images.list().flatMap((image) => image.layers.map((layer) => [layer.diffId, layer.sizeBytes] as const)));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function infoView(context: Context, minor: number): Record<string, unknown> {
  const { engine } = context;
  const facts = engine.facts();
  const containers = engine.containers();
  const inPhase = (...phases: string[]) => containers.filter((container) => phases.includes(container.state.phase)).length;
  const runtime = facts.runtimes.find((candidate) => candidate.name === facts.defaultRuntime);
  return {
    ID: facts.id,
    Containers: containers.length,
    ContainersRunning: inPhase('running', 'restarting'),
    ContainersPaused: inPhase('paused'),
    ContainersStopped: inPhase('created', 'exited', 'dead', 'removing'),
    Images: engine.images.list().length,
    Driver: 'overlayfs',
    DriverStatus: facts.runtimes.flatMap(runtimeStatus),
    Plugins: { Volume: ['local'], Network: ['bridge', 'null'], Authorization: null, Log: logDrivers },
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
    IPv4Forwarding: true,
    ...(minor < 50 ? { BridgeNfIptables: true, BridgeNfIp6tables: true } : {}),
    Debug: false,
    NFd: 0,
    OomKillDisable: false,
    NGoroutines: 0,
    SystemTime: rfc3339(Date.now()),
    LoggingDriver: context.logDefaults.driver,
    CgroupDriver: 'none',
    CgroupVersion: '2',
    NEventsListener: 0,
    KernelVersion: runtime?.kernel ?? release(),
    OperatingSystem: `Berth (VCH ${facts.name})`,
    OSVersion: context.version,
    OSType: 'linux',
    Architecture: process.arch === 'x64' ? 'x86_64' : 'aarch64',
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      ...(minor < 49 ? { AllowNondistributableArtifactsCIDRs: [], AllowNondistributableArtifactsHostnames: [] } : {}),
      ...registryConfig(context),
    },
    NCPU: facts.cpus,
    MemTotal: facts.memoryBytes,
    GenericResources: null,
    DockerRootDir: facts.rootDirectory,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Name: facts.name,
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: context.version,
    Runtimes: Object.fromEntries(facts.runtimes.map(({ name }) => [name, { path: name }])),
    DefaultRuntime: facts.defaultRuntime,
    Swarm: { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive', ControlAvailable: false, Error: '', RemoteManagers: null },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: '',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: facts.runtimes.some(({ acceleration }) => acceleration === 'kvm') ? ['name=kvm'] : [],
    Warnings: facts.runtimes.flatMap(warningsOf),
  };
}

function registryConfig({ engine }: Context): Record<string, unknown> {
  const { mirrors, insecure } = engine.images.registries.settings;
  const ranges = insecure.filter((entry) => entry.includes('/'));
  const index = (name: string, secure: boolean) => [name, { Mirrors: secure ? mirrors : [], Name: name, Official: secure, Secure: secure }];
  return {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...ranges],
    IndexConfigs: Object.fromEntries([index('docker.io', true), ...insecure.filter((entry) => !entry.includes('/')).map((entry) => index(entry, false))]),
    Mirrors: mirrors,
  };
}

function runtimeStatus(runtime: RuntimeFacts): (readonly [string, string])[] {
  return [
    [`Runtime ${runtime.name}`, runtime.version],
    ['Isolation', { kvm: 'hardware (KVM)', tcg: 'software emulation (not a security boundary)', none: 'host kernel' }[runtime.acceleration]],
    ['Verdict', runtime.verdict],
    ['Guest kernel', runtime.kernel],
    ...runtime.status,
  ];
}

/** Emulation must be seen: the CLI prints these under `docker info`. */
function warningsOf(runtime: RuntimeFacts): readonly string[] {
  const emulation = `WARNING: runtime ${runtime.name} uses software emulation, which is no security boundary: ${runtime.verdict}`;
  return [...(runtime.acceleration === 'tcg' ? [emulation] : []), ...runtime.warnings.map((warning) => `WARNING: ${warning}`)];
}

function goArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}
