/**
 * The system packages, each with its reason. The names are the same on Debian 12, Debian 13 and Ubuntu 24.04 unless
 * `on` says otherwise (`id` or `id version` → name; `null`: not needed there).
 */
export const START_PACKAGES = [
  { name: 'qemu-system-x86', why: 'the virtual machine monitor' },
  { name: 'gcc', why: 'compiles the guest agent' },
  { name: 'libc6-dev', why: 'the static C library the agent is linked with' },
  { name: 'xz-utils', why: 'reads kernel modules and layers compressed with it' },
  { name: 'kmod', why: 'loads the kernel’s bridge filter for networks whose containers are apart' },
  { name: 'bzip2', why: 'reads archives compressed with it' },
  { name: 'squashfs-tools', why: 'turns image layers into read-only file systems' },
  { name: 'e2fsprogs', why: 'makes the writable layer’s file system' },
  { name: 'busybox-static', why: 'the content of the images made here' },
  { name: 'iproute2', why: 'bridges, taps and network namespaces' },
  { name: 'nftables', why: 'address translation, published ports, isolation between networks' },
  { name: 'ca-certificates', why: 'checks the servers packages are fetched from' },
];

export const TEST_PACKAGES = [
  { name: 'docker.io', why: 'a real dockerd to compare answers and times with' },
  { name: 'docker-cli', why: 'the stock docker client', on: { 'debian 12': null, ubuntu: null }, unless: 'docker' },
  { name: 'mmdebstrap', why: 'makes a Debian root file system to import and run' },
  { name: 'python3', why: 'reads extended attributes in tests' },
  { name: 'docker-registry', why: 'a real registry to pull from and push to' },
  { name: 'skopeo', why: 'a second client of what was pushed' },
  { name: 'buildah', why: 'a second builder, which knows what dockerd’s classic one does not' },
  { name: 'openssl', why: 'certificates of an authority of one’s own' },
  { name: 'docker-compose', why: 'Compose as a client: 1.29 on Debian 12, v2 where that is the package' },
  { name: 'python3-docker', why: 'another library as a client' },
  { name: 'iptables', why: 'a host whose own firewall drops what nobody allowed' },
];

export const BENCH_PACKAGES = [
  { name: 'docker.io', why: 'dockerd and runc, to measure against' },
  { name: 'docker-registry', why: 'a registry to pull from' },
  { name: 'skopeo', why: 'fills that registry' },
];
/** Measured against as well when they can be installed; never a reason to fail. */
export const OPTIONAL_BENCH_PACKAGES = [
  { name: 'podman', why: 'podman and crun, to measure against' },
  { name: 'crun', why: 'what podman runs containers with' },
];

/**
 * @param {readonly { name: string, why: string, on?: Record<string, string | null>, unless?: string }[]} list
 * @param {{ id: string, version: string }} system
 * @param {(command: string) => boolean} hasCommand
 */
export function namesFor(list, system, hasCommand = () => false) {
  return list
    .filter((entry) => entry.unless === undefined || !hasCommand(entry.unless))
    .map((entry) => {
      const special = entry.on?.[`${system.id} ${system.version}`] ?? entry.on?.[system.id];
      const excluded = entry.on !== undefined && (entry.on[`${system.id} ${system.version}`] === null || entry.on[system.id] === null);
      return excluded ? undefined : { name: special ?? entry.name, why: entry.why };
    })
    .filter((entry) => entry !== undefined);
}
