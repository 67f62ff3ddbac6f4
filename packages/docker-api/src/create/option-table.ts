import type { CreateContainerRequest, HostConfigRequest } from '@berth/docker-wire';
import { invalid, notYet } from '../faults.ts';

/**
 * Every option of `POST /containers/create` beyond the plain ones, and what becomes of it. The only such list: requests
 * are judged by it, and docs/docker-compatibility.md is written from it.
 *
 *  acted     it does what it does in Docker (the mapping is in this folder)
 *  warned    accepted; changes nothing inside a virtual machine of its own; the answer carries a warning
 *  harmless  accepted silently, because having no effect is its effect here
 *  refused   501 with a sentence, when it is given a value that would change something
 */
export interface OptionRow {
  readonly field: string;
  /** As users write it; '' when the CLI has no flag. */
  readonly flag: string;
  readonly treatment: 'acted' | 'warned' | 'harmless' | 'refused';
  /** For people: how it differs, or why it is refused. */
  readonly note: string;
}

interface HostRow extends OptionRow {
  readonly field: keyof HostConfigRequest;
  /** Given a value other than what Docker does without it. Rows that are `acted` or `harmless` need none. */
  readonly used?: (host: HostConfigRequest) => boolean;
}

const acted = (field: keyof HostConfigRequest, flag: string, note = ''): HostRow => ({ field, flag, treatment: 'acted', note });
const harmless = (field: keyof HostConfigRequest, flag: string, note: string): HostRow => ({ field, flag, treatment: 'harmless', note });
const warned = (field: keyof HostConfigRequest, flag: string, note: string, used: HostRow['used'] = given(field)): HostRow => ({
  field,
  flag,
  treatment: 'warned',
  note,
  ...(used === undefined ? {} : { used }),
});
const refused = (field: keyof HostConfigRequest, flag: string, note: string, used: HostRow['used'] = given(field)): HostRow => ({
  field,
  flag,
  treatment: 'refused',
  note,
  ...(used === undefined ? {} : { used }),
});

function given(field: keyof HostConfigRequest): (host: HostConfigRequest) => boolean {
  return (host) => {
    const value = host[field];
    if (value === undefined || value === '' || value === 0 || value === false) return false;
    return typeof value !== 'object' || (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0);
  };
}

const ownMachine = 'a container is a virtual machine of its own, with nothing of the host to share';
const perMachine = 'limits of a virtual machine are its memory, CPUs and processes so far';

export const hostConfigTable: readonly HostRow[] = [
  acted('Memory', '--memory, -m', 'the exact limit inside the machine; the next larger flavor carries it'),
  acted('MemorySwap', '--memory-swap'),
  acted('NanoCpus', '--cpus'),
  acted('CpuPeriod', '--cpu-period', 'with --cpu-quota; becomes a number of CPUs'),
  acted('CpuQuota', '--cpu-quota', 'with --cpu-period; becomes a number of CPUs'),
  acted('PidsLimit', '--pids-limit'),
  acted('Ulimits', '--ulimit'),
  acted('ShmSize', '--shm-size'),
  acted('Init', '--init'),
  acted('ReadonlyRootfs', '--read-only'),
  acted('Tmpfs', '--tmpfs'),
  acted('Sysctls', '--sysctl', 'of the machine; all of them are its own'),
  acted('CapAdd', '--cap-add'),
  acted('CapDrop', '--cap-drop'),
  acted('GroupAdd', '--group-add'),
  acted('ExtraHosts', '--add-host', '`host-gateway` is the gateway of the first network'),
  acted('Dns', '--dns'),
  acted('DnsSearch', '--dns-search'),
  acted('DnsOptions', '--dns-option'),
  acted('PortBindings', '--publish, -p', 'tcp and udp; sctp is refused'),
  acted('PublishAllPorts', '--publish-all, -P'),
  acted('AutoRemove', '--rm'),
  acted('Runtime', '--runtime', 'names a Berth runtime (`microvm`) instead of an OCI runtime'),
  acted('NetworkMode', '--network', '`host` and `container:…` are refused: ' + ownMachine),
  acted('Annotations', '--annotation', 'kept and shown'),
  acted('LogConfig', '--log-driver, --log-opt', 'json-file only; its options are kept and shown, without effect'),
  acted('SecurityOpt', '--security-opt', 'no-new-privileges acts; switching off seccomp, AppArmor or SELinux is harmless; profiles are refused'),
  acted('RestartPolicy', '--restart', '`no` only; other policies are refused until Berth restarts containers'),
  acted('Mounts', '--mount', 'bind, volume and tmpfs; `bind-propagation` other than private is refused: a machine has mounts of its own'),
  acted('Binds', '--volume, -v', 'see docs/design/volumes.md; sockets of the host are refused: nothing listens on them in a machine'),
  acted('VolumesFrom', '--volumes-from'),
  acted('VolumeDriver', '--volume-driver', '`local` only'),
  harmless('ContainerIDFile', '--cidfile', 'written by the client'),
  harmless('ConsoleSize', '', 'the client sends the size of its terminal after the start'),
  harmless('CgroupnsMode', '--cgroupns', 'the machine has control groups of its own'),
  harmless('UsernsMode', '--userns', 'the machine has users of its own'),
  harmless('MaskedPaths', '--security-opt systempaths', 'a container sees its own machine only'),
  harmless('ReadonlyPaths', '--security-opt systempaths', 'a container sees its own machine only'),
  harmless('Cgroup', '', 'unused by Docker itself'),
  harmless('CpuCount', '--cpu-count', 'Windows only, ignored by Docker on Linux'),
  harmless('CpuPercent', '--cpu-percent', 'Windows only, ignored by Docker on Linux'),
  harmless('IOMaximumIOps', '--io-maxiops', 'Windows only, ignored by Docker on Linux'),
  harmless('IOMaximumBandwidth', '--io-maxbandwidth', 'Windows only, ignored by Docker on Linux'),
  harmless('Isolation', '--isolation', '`default` only'),
  warned('Privileged', '--privileged', 'all capabilities inside the machine of its own; no access to the host or its devices'),
  warned('CpuShares', '--cpu-shares, -c', 'CPU weights are not compared between machines'),
  warned('MemoryReservation', '--memory-reservation', 'a soft limit has no counterpart in a machine'),
  warned('MemorySwappiness', '--memory-swappiness', 'machines do not swap', (host) => host.MemorySwappiness !== undefined && host.MemorySwappiness !== -1),
  warned('OomScoreAdj', '--oom-score-adj', 'there are no neighbours in the machine to prefer'),
  warned('KernelMemoryTCP', '', 'deprecated by Docker'),
  refused('Devices', '--device', ownMachine),
  refused('DeviceRequests', '--gpus', ownMachine),
  refused('DeviceCgroupRules', '--device-cgroup-rule', ownMachine),
  refused('Links', '--link', 'a legacy of Docker; join a network of your own, where names resolve'),
  refused('PidMode', '--pid', ownMachine),
  refused('UTSMode', '--uts', ownMachine),
  refused('IpcMode', '--ipc', ownMachine, (host) => !['', 'private', 'shareable'].includes(host.IpcMode)),
  refused('CgroupParent', '--cgroup-parent', 'the container is not in a control group of the host'),
  refused('CpusetCpus', '--cpuset-cpus', 'a machine is not pinned to CPUs of the host; --cpus limits it'),
  refused('CpusetMems', '--cpuset-mems', 'a machine is not pinned to memory nodes of the host'),
  refused('CpuRealtimePeriod', '--cpu-rt-period', perMachine),
  refused('CpuRealtimeRuntime', '--cpu-rt-runtime', perMachine),
  refused('BlkioWeight', '--blkio-weight', perMachine),
  refused('BlkioWeightDevice', '--blkio-weight-device', perMachine),
  refused('BlkioDeviceReadBps', '--device-read-bps', perMachine),
  refused('BlkioDeviceWriteBps', '--device-write-bps', perMachine),
  refused('BlkioDeviceReadIOps', '--device-read-iops', perMachine),
  refused('BlkioDeviceWriteIOps', '--device-write-iops', perMachine),
  refused('KernelMemory', '--kernel-memory', 'removed from Docker, too'),
  refused('OomKillDisable', '--oom-kill-disable', 'a machine out of memory must end something'),
  refused('StorageOpt', '--storage-opt', 'the writable layer has no size limit per container yet'),
];

/** The same for fields outside HostConfig that need a word. */
export const configTable: readonly OptionRow[] = [
  {
    field: 'Healthcheck',
    flag: '--health-cmd and others',
    treatment: 'refused',
    note: 'health checks come with a later milestone; one that an image brings is not run, and create warns of it',
  },
  {
    field: 'Volumes',
    flag: '--volume, -v /path',
    treatment: 'acted',
    note: 'a volume without a name, as for paths that an image declares as volumes',
  },
  { field: 'MacAddress', flag: '--mac-address', treatment: 'acted', note: '' },
  { field: 'NetworkDisabled', flag: '', treatment: 'acted', note: 'as --network none' },
  { field: 'OnBuild', flag: '', treatment: 'harmless', note: 'matters to builds only' },
  { field: 'Shell', flag: '', treatment: 'harmless', note: 'matters to builds and health checks only' },
  { field: 'ArgsEscaped', flag: '', treatment: 'harmless', note: 'Windows only' },
];

/** Refuses what is refused; gives the warnings for what is accepted without effect. */
export function judgeOptions(request: CreateContainerRequest, host: HostConfigRequest): string[] {
  const warnings: string[] = [];
  for (const row of hostConfigTable) {
    if (row.used?.(host) !== true) continue;
    const name = row.flag === '' ? `HostConfig.${row.field}` : (row.flag.split(',')[0] ?? row.flag);
    if (row.treatment === 'refused') throw notYet(`${name} is`, row.note);
    if (row.treatment === 'warned') warnings.push(`${name} has no effect here: ${row.note}`);
  }
  if (host.Privileged) {
    const at = warnings.findIndex((warning) => warning.startsWith('--privileged'));
    warnings[at] = '--privileged gives all capabilities inside the virtual machine of the container; it opens nothing of the host, its devices least of all';
  }
  const test = request.Healthcheck?.Test ?? [];
  if (test.length > 0 && test[0] !== 'NONE') throw notYet('A health check (--health-cmd) is', 'leave it out, or say --no-healthcheck');
  judgeLog(host);
  judgeRestart(host);
  judgeSecurity(host);
  if (!['', 'default'].includes(host.Isolation)) throw invalid('isolation-invalid', `Invalid isolation: "${host.Isolation}"`);
  return warnings;
}

function judgeLog(host: HostConfigRequest): void {
  const type = host.LogConfig?.Type ?? '';
  if (type === '' || type === 'json-file') return;
  const known = ['none', 'local', 'syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk', 'gcplogs', 'etwlogs', 'logentries'];
  if (known.includes(type)) throw notYet(`--log-driver ${type} is`, 'logs are kept as json-file keeps them');
  throw invalid('log-driver-unknown', `error looking up logging plugin ${type}: plugin "${type}" not found`);
}

function judgeRestart(host: HostConfigRequest): void {
  const policy = host.RestartPolicy?.Name ?? '';
  if (policy === '' || policy === 'no') return;
  if (['always', 'unless-stopped', 'on-failure'].includes(policy)) {
    if (host.AutoRemove) throw invalid('restart-conflict', "can't create 'AutoRemove' container with restart policy");
    throw notYet(`--restart ${policy} is`, 'a container that ends stays ended until it is started again');
  }
  throw invalid('restart-invalid', `invalid restart policy: unknown policy '${policy}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
}

const harmlessSecurity =
  /^(seccomp[=:]unconfined|seccomp[=:]builtin|apparmor[=:].*|label[=:].*|systempaths=unconfined|no-new-privileges([=:](true|false))?|writable-cgroups(=(true|false))?)$/;

function judgeSecurity(host: HostConfigRequest): void {
  for (const option of host.SecurityOpt) {
    if (harmlessSecurity.test(option)) continue;
    if (/^seccomp[=:]/.test(option)) throw notYet('A seccomp profile (--security-opt seccomp=…) is', 'the machine is the boundary; leave it out');
    throw invalid('security-opt-invalid', `invalid --security-opt 2: "${option}"`);
  }
}
