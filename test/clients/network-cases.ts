import { type Case, newerWords, other, quiet } from './case.ts';

const bridge = 'com.docker.network.bridge.';
const created = (options: string) => [quiet(`network create ${options} n1`), 'network rm n1'];

/** What `docker network create` takes and refuses, links, and modes; how networks behave is compared in test/networks. */
export const networkCases: readonly Case[] = [
  {
    name: 'networks: options and drivers',
    command: 'network create',
    steps: [
      ...created(`-o ${bridge}enable_icc=false -o ${bridge}enable_ip_masquerade=0 -o ${bridge}host_binding_ipv4=127.0.0.1`),
      ...created('-o com.docker.network.driver.mtu=1400 -o com.docker.network.container_iface_prefix=net -o foo=bar'),
      ...created('--attachable --label a=b --ipam-opt c=d'),
      `network create -o ${bridge}enable_icc=maybe n1`,
      `network create -o ${bridge}host_binding_ipv4=zzz n1`,
      'network create -o com.docker.network.driver.mtu=abc n1',
      'network create --scope swarm n1',
      'network create --ingress n1',
      'network create -d overlay n1',
      'network create -d host n1',
      'network create -d null n1',
      'network create -d nosuch n1',
      'network create --ipam-driver nosuch n1',
      'network create --subnet 10.40.0.0/16 --subnet 10.41.0.0/16 n1',
      'network create --gateway 10.1.1.1 n1',
      other('network create -d macvlan n1', 'it would pass by the firewall between networks', {
        exitCode: 1,
        stderr: /the network driver macvlan is not possible with berth/,
      }),
      other(`network create -o ${bridge}name=br7 n1`, 'bridges are called after their instance and network', {
        exitCode: 1,
        stderr: /com\.docker\.network\.bridge\.name is not possible with berth/,
        stdout: /^$/,
      }),
      other('network create --config-only n2', 'not there yet', { exitCode: 1, stderr: /--config-only and --config-from are not supported/, stdout: /^$/ }),
      quiet('network prune -f'),
    ],
  },
  {
    name: 'networks: links and shared stacks',
    command: 'run --link, --network',
    steps: [
      quiet('run -d --name w1 -e A=b --expose 80 --expose 81/udp busybox sleep 1000'),
      'run -d --name w2 --link w1:web busybox sleep 1000',
      "inspect -f '{{json .HostConfig.Links}}' w2",
      'create --link nosuch:a busybox true',
      'create --link a:b:c busybox true',
      'create --network container:w1 --hostname h busybox true',
      'create --network container:w1 --dns 1.2.3.4 busybox true',
      'create --network container:w1 --add-host a:1.2.3.4 busybox true',
      'create --network container:w1 -p 80:80 busybox true',
      'create --network host --link w1 busybox true',
      'create --network container:w1 --link w1 busybox true',
      'run --rm --network container:nosuch busybox true',
      other('run --rm --network container:w1 busybox true', 'a machine has a network stack of its own', {
        exitCode: 125,
        stderr: /--network container:w1 is not possible with berth: w1 is a virtual machine .*one network of your own/,
      }),
      'network disconnect -f bridge nosuch',
      other('rm -f w1 w2', newerWords, { stdout: /w1\s+w2/ }),
    ],
  },
];
