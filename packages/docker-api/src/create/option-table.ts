import type { CreateContainerRequest, HostConfigRequest } from '@berth/docker-wire';
import { cannotBe, invalid, notYet } from '../faults.ts';

/**
 * Every option of `POST /containers/create` beyond the plain ones, and what becomes of it. The only such list: requests
 * are judged by it, and docs/docker-compatibility.md is written from it.
 *
 *  acted     it does what it does in Docker (the mapping is in this folder)
 *  warned    accepted; changes nothing inside a virtual machine of its own; the answer carries a warning
 *  harmless  accepted silently, because having no effect is its effect here
 *  refused   501 with a sentence, when it is given a value that would change something; the sentence says whether it is not
 *            there yet or cannot be in a virtual machine
 */
export interface OptionRow {
  readonly field: string;
  /** As users write it; '' when the CLI has no flag. */
  readonly flag: string;
  readonly treatment: 'acted' | 'warned' | 'harmless' | 'refused';
  /** For people: how it differs, or why it is refused. */
  readonly note: string;
  /** Refused for good: no version will have it. */
  readonly isForGood?: boolean;
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

/** What would give something of the host, or means nothing in a machine. */
const impossible = (field: keyof HostConfigRequest, flag: string, note: string, used: HostRow['used'] = given(field)): HostRow => ({
  ...refused(field, flag, note, used),
  isForGood: true,
});

function given(field: keyof HostConfigRequest): (host: HostConfigRequest) => boolean {
  return (host) => {
    const value = host[field];
    if (value === undefined || value === '' || value === 0 || value === false) return false;
    return typeof value !== 'object' || (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0);
  };
}

const ownMachine = 'a container is a virtual machine of its own, with nothing of the host to share';
const noDevices = "a virtual machine has devices of its own, and none of the host's";
const noHostDisk = "it names a device of the host's, and a virtual machine's disk is its own";

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
  acted('NetworkMode', '--network', '`host` and `container:…` are refused, with the way to what is wanted: ' + ownMachine),
  acted('Links', '--link', 'the variables are those of the start; an exec does not get them anew'),
  acted('Annotations', '--annotation', 'kept and shown'),
  acted('LogConfig', '--log-driver, --log-opt', 'json-file, local and none, with rotation; wrong options are refused at create rather than at start'),
  acted(
    'SecurityOpt',
    '--security-opt',
    "no-new-privileges acts; AppArmor and SELinux are the host's and have no say in a machine (harmless), as has `seccomp=unconfined`; seccomp profiles are refused",
  ),
  acted('RestartPolicy', '--restart', 'only the stop signal and KILL count as stopped by hand, where dockerd takes any signal for that'),
  acted('Mounts', '--mount', 'bind, volume and tmpfs; `bind-propagation` other than private is refused: a machine has mounts of its own'),
  acted('Binds', '--volume, -v', 'see docs/design/volumes.md; sockets of the host are relayed'),
  acted('VolumesFrom', '--volumes-from'),
  acted('VolumeDriver', '--volume-driver', '`local` only'),
  harmless('ContainerIDFile', '--cidfile', 'written by the client'),
  harmless('ConsoleSize', '', 'the client sends the size of its terminal after the start'),
  harmless('CgroupnsMode', '--cgroupns', 'the machine has control groups of its own; `host` shows those'),
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
  warned('CpuShares', '--cpu-shares, -c', 'a weight counts among neighbours; inside its machine a container has none, and between machines it is not compared'),
  warned('MemoryReservation', '--memory-reservation', 'a soft limit has no counterpart in a machine'),
  warned('MemorySwappiness', '--memory-swappiness', 'machines do not swap', (host) => host.MemorySwappiness !== undefined && host.MemorySwappiness !== -1),
  warned('BlkioWeight', '--blkio-weight', 'a weight counts among neighbours, and its disk has none'),
  warned('OomKillDisable', '--oom-kill-disable', 'a machine out of memory must end something'),
  warned('OomScoreAdj', '--oom-score-adj', 'there are no neighbours in the machine to prefer'),
  warned('KernelMemory', '--kernel-memory', 'removed from Docker, too'),
  warned('KernelMemoryTCP', '', 'deprecated by Docker'),
  impossible('Devices', '--device', noDevices),
  impossible('DeviceRequests', '--gpus', noDevices),
  impossible('DeviceCgroupRules', '--device-cgroup-rule', noDevices),
  impossible('PidMode', '--pid', "a virtual machine has processes of its own, and sees none of the host's or of other containers'"),
  impossible('UTSMode', '--uts', "a virtual machine has a host name of its own, and the host's is out of its reach"),
  impossible(
    'IpcMode',
    '--ipc',
    "a virtual machine has memory of its own: none of the host's or of other containers' can be shared with it",
    (host) => !['', 'private', 'shareable'].includes(host.IpcMode),
  ),
  impossible('CgroupParent', '--cgroup-parent', 'the container is in a control group of its machine, not of the host'),
  impossible('CpusetCpus', '--cpuset-cpus', "it names CPUs of the host's, and a virtual machine has CPUs of its own; --cpus says how many"),
  impossible('CpusetMems', '--cpuset-mems', "it names memory of the host's, and a virtual machine has memory of its own; --memory says how much"),
  refused('CpuRealtimePeriod', '--cpu-rt-period', 'real-time shares mean little in a machine that is itself scheduled'),
  refused('CpuRealtimeRuntime', '--cpu-rt-runtime', 'real-time shares mean little in a machine that is itself scheduled'),
  impossible('BlkioWeightDevice', '--blkio-weight-device', noHostDisk),
  impossible('BlkioDeviceReadBps', '--device-read-bps', noHostDisk),
  impossible('BlkioDeviceWriteBps', '--device-write-bps', noHostDisk),
  impossible('BlkioDeviceReadIOps', '--device-read-iops', noHostDisk),
  impossible('BlkioDeviceWriteIOps', '--device-write-iops', noHostDisk),
  refused('StorageOpt', '--storage-opt', 'every writable layer may grow to the same 10 GiB'),
];

/** The same for fields outside HostConfig that need a word. */
export const configTable: readonly OptionRow[] = [
  {
    field: 'Healthcheck',
    flag: '--health-cmd and others',
    treatment: 'acted',
    note: 'a probe is an exec in the machine',
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
export function judgeHost(host: HostConfigRequest): string[] {
  checkRanges(host);
  const warnings: string[] = [];
  for (const row of hostConfigTable) {
    if (row.used?.(host) !== true) continue;
    const name = row.flag === '' ? `HostConfig.${row.field}` : (row.flag.split(',')[0] ?? row.flag);
    if (row.treatment === 'refused') throw row.isForGood === true ? cannotBe(name, row.note) : notYet(`${name} is`, row.note);
    if (row.treatment === 'warned') warnings.push(`${name} has no effect here: ${row.note}`);
  }
  return warnings;
}

/** The same for all of a create. */
export function judgeOptions(request: CreateContainerRequest, host: HostConfigRequest): string[] {
  const warnings = judgeHost(host);
  if (host.Privileged) {
    const at = warnings.findIndex((warning) => warning.startsWith('--privileged'));
    warnings[at] = '--privileged gives all capabilities inside the virtual machine of the container; it opens nothing of the host, its devices least of all';
  }
  judgeSecurity(host);
  if (!['', 'default'].includes(host.Isolation)) {
    throw invalid('isolation-invalid', `Invalid isolation: "${host.Isolation}" - linux only supports 'default'`);
  }
  return warnings;
}

const harmlessSecurity =
  /^(seccomp[=:]unconfined|seccomp[=:]builtin|apparmor[=:].*|label[=:].*|systempaths=unconfined|no-new-privileges([=:](true|false))?|writable-cgroups(=(true|false))?)$/;

function judgeSecurity(host: HostConfigRequest): void {
  for (const option of host.SecurityOpt) {
    if (harmlessSecurity.test(option)) continue;
    if (/^seccomp[=:]/.test(option))
      throw notYet('A seccomp profile (--security-opt seccomp=…) is', 'what it would keep from the kernel of the host, the machine keeps; leave it out');
    throw invalid('security-opt-invalid', `invalid --security-opt 2: "${option}"`);
  }
}

/** Values that no daemon takes, of options that have no effect here. */
function checkRanges(host: HostConfigRequest): void {
  const { CpuShares: shares, BlkioWeight: weight, OomScoreAdj: score, Memory: memory, MemoryReservation: reserved, IpcMode: ipc } = host;
  if (shares < 0) throw invalid('limit-invalid', `invalid CPU shares (${shares}): value must be a positive integer`);
  if (weight !== 0 && (weight < 10 || weight > 1000)) throw invalid('limit-invalid', 'Range of blkio weight is from 10 to 1000');
  if (score < -1000 || score > 1000) throw invalid('limit-invalid', `Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  if (reserved !== 0 && reserved < 6 << 20) throw invalid('limit-invalid', 'Minimum memory reservation allowed is 6MB');
  if (memory > 0 && memory < reserved) {
    throw invalid('limit-invalid', 'Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (!/^(|none|private|shareable|host|container:.+)$/.test(ipc)) throw invalid('ipc-invalid', `Invalid IPC mode: ${ipc}`);
}
