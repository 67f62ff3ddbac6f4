export interface CommandRow {
  readonly command: string;
  readonly verdict: 'same' | 'different' | 'refused';
  /** How it differs, or why it is refused. */
  readonly remark: string;
}

const same = (command: string, remark = ''): CommandRow => ({ command, verdict: 'same', remark });
const different = (command: string, remark: string): CommandRow => ({ command, verdict: 'different', remark });
const refused = (command: string, remark: string): CommandRow => ({ command, verdict: 'refused', remark });

const later = 'not there yet';

/** The command line of Docker 28, command by command. */
export const commands: readonly CommandRow[] = [
  different('run', 'options: see below'),
  different('create', 'options: see below'),
  same('start (-a, -i, --detach-keys)'),
  same('stop, restart, kill, pause, unpause, wait, rename'),
  same('rm (-f, -v)'),
  same('ps (-a, -n, -l, -s, --no-trunc, --format)'),
  same('ps --filter'),
  same('inspect (-s, -f)'),
  same('logs (-f, -t, --tail, --since, --until, --details)'),
  same('attach (--detach-keys, --no-stdin, --sig-proxy)'),
  same('exec (-i, -t, -d, -e, -u, -w, --detach-keys)', '`--privileged` in privileged containers only'),
  same('top', 'of the columns of `ps`, those that a machine reports'),
  same('stats'),
  same('cp (-a, -L, -)', 'in every state; a symlink that leads out of its directory is made, dockerd refuses it; holes stay holes'),
  same('diff'),
  different('export', "without dockerd's own files (`.dockerenv`, `etc/mtab`)"),
  same('commit (-a, -c, -m, -p)'),
  same('port'),
  same('events (--since, --until, --filter)', 'the last 256 are remembered'),
  same('container prune'),
  same('images, image ls, image inspect, history, tag, rmi, image prune'),
  same('load, save, import', 'import from a URL is refused'),
  same(
    'network create (--ipv6, --subnet, --gateway, --ip-range, --aux-address, --internal, --attachable, --label, -o)',
    'driver bridge; `--ipv6` without a subnet chooses one, as dockerd 28; of the options `bridge.name`, routed gateways and those that do without an address are refused',
  ),
  same('network ls, inspect, rm, disconnect, prune'),
  same('network connect (--alias, --ip, --ip6, --link, --gw-priority)', 'four networks a container; `--link-local-ip` and `--driver-opt` are refused'),
  different('info, version', 'speak of Berth'),
  same('system df'),
  same('pull (-a, -q, --platform)', 'schema 2 and OCI; schema 1 and foreign layers are refused'),
  same('push (-a, -q)', 'a pulled image keeps its digest, whatever its form; dockerd 20.10 writes schema 2'),
  same('login, logout, search'),
  different('manifest, trust', 'speak to the registry without the daemon'),
  same('build', 'the classic builder, `DOCKER_BUILDKIT=0`; options: see below'),
  refused('buildx', 'speaks BuildKit; set `DOCKER_BUILDKIT=0`'),
  same('builder prune (-a, -f, --filter until, id)', 'caches of `RUN --mount=type=cache`; layers go with their images'),
  same('update', 'a running container within the size of its machine'),
  refused('checkpoint', later),
  same('volume create (-d, -o, --label)', 'driver local: a directory of the host’s, or with `-o type=block -o size=…` a disk of its own'),
  same('volume ls, inspect, rm, prune'),
  same('plugin ls', 'empty'),
  refused('plugin install', later),
  refused('swarm init, swarm join', 'not a swarm'),
  same('node, service, stack, secret, config', 'as a daemon outside a swarm'),
];
