import type { CreateContainerRequest } from '@berth/docker-wire';
import { hostConfigSchema } from '@berth/docker-wire';
import type { Engine, NewContainer } from '@berth/engine';
import type { Image } from '@berth/images';
import { invalid } from '../faults.ts';
import { capabilitiesFor } from './capabilities.ts';
import { healthFor } from './health.ts';
import { limitsFor } from './limits.ts';
import { jsonFileDefaults, logFor, type LogDefaults } from './logging.ts';
import { linksFor } from './links.ts';
import { mountsFor } from './mount-points.ts';
import { checkMode, modeNetwork } from './network-mode.ts';
import { dnsServers, extraHostsFor, networksFor, portsFor } from './networks.ts';
import { judgeOptions } from './option-table.ts';
import { personalityOf } from './personality.ts';
import { restartPolicy } from './restart.ts';
import { mergeProcess, processEnv } from './process-config.ts';

export interface Mapped {
  readonly container: NewContainer;
  readonly warnings: readonly string[];
}

/** What `docker create` says, as the engine understands it. Everything that is wrong or missing is said here, before anything is made. */
export function mapContainer(
  request: CreateContainerRequest,
  name: string,
  image: Image,
  engine: Engine,
  { minor, logDefaults = jsonFileDefaults }: { minor: number; logDefaults?: LogDefaults },
): Mapped {
  const host = request.HostConfig ?? hostConfigSchema.parse({});
  const facts = engine.facts();
  const warnings = judgeOptions(request, host);
  const log = logFor(host, logDefaults);
  const defaults = image.configuration.config ?? {};
  const process = mergeProcess(request, defaults);
  const { requests: ports, exposed } = portsFor(host, process.exposedPorts);
  const runtime = runtimeFor(host.Runtime, facts);
  checkMode(request, host, engine);
  const networks = networksFor(request, host, minor);
  const links = linksFor(host, engine);
  const first = networks[0]?.network;

  const volumes = Object.keys(defaults.Volumes ?? {});
  const health = healthFor(request.Healthcheck, defaults, request.Shell);
  const { shmBytes, rlimits, ...limits } = limitsFor(host, facts.cpus);
  return {
    warnings,
    container: {
      ...(name === '' ? {} : { name: checkedName(name) }),
      imageId: image.id,
      imageReference: request.Image,
      runtime,
      args: process.args,
      env: processEnv(process.env, request.Tty),
      cwd: process.cwd === '' ? '/' : process.cwd,
      user: process.user,
      additionalGroups: host.GroupAdd,
      terminal: request.Tty,
      openStdin: request.OpenStdin,
      stdinOnce: request.StdinOnce,
      hostname: request.Hostname,
      domainname: request.Domainname,
      labels: process.labels,
      stopSignal: process.stopSignalNumber,
      stopTimeoutSeconds: request.StopTimeout ?? 10,
      init: host.Init ?? false,
      readonlyRootfs: host.ReadonlyRootfs,
      mounts: mountsFor(request, host, volumes, engine),
      sysctls: host.Sysctls,
      capabilities: capabilitiesFor(host),
      noNewPrivileges: host.SecurityOpt.some((option) => /^no-new-privileges([=:]true)?$/.test(option)),
      shmBytes,
      rlimits,
      ...limits,
      extraHosts: extraHostsFor(host.ExtraHosts, () => gatewayOf(engine, first)),
      dns: dnsServers(host.Dns),
      dnsSearch: host.DnsSearch,
      dnsOptions: host.DnsOptions,
      ports: networks.length === 0 ? [] : ports,
      exposedPorts: exposed,
      ...(links.length === 0 ? {} : { links }),
      restart: restartPolicy(host.RestartPolicy, { autoRemove: host.AutoRemove }),
      ...(health.check === undefined ? {} : { health: health.check }),
      log: log.settings,
      autoRemove: host.AutoRemove,
      networks,
      personality: {
        ...personalityOf(request, { ...host, NetworkMode: modeNetwork(host.NetworkMode), LogConfig: { Type: log.type, Config: log.options } }, process, {
          exposed,
          volumes,
          runtime,
          ...(health.shown === undefined ? {} : { health: health.shown }),
        }),
      },
    },
  };
}

/** Docker's rule for names. The leading slash some clients send doesn't count. */
export function checkedName(name: string): string {
  const plain = name.replace(/^\//, '');
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(plain)) {
    throw invalid('name-invalid', `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  return plain;
}

function runtimeFor(wanted: string, facts: ReturnType<Engine['facts']>): string {
  if (wanted === '') return facts.defaultRuntime;
  if (!facts.runtimes.some((runtime) => runtime.name === wanted)) {
    throw invalid('runtime-unknown', `unknown or invalid runtime name: ${wanted}`);
  }
  return wanted;
}

function gatewayOf(engine: Engine, network: string | undefined): string | undefined {
  return network === undefined ? undefined : engine.network(network).pools[0]?.gateway;
}
