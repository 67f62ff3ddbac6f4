import { test } from 'node:test';
import type { Question, Sides } from './sides.ts';

/** Addresses, routes and own lines of /etc/hosts, in an order that doesn't depend on the kernel. */
const look = (name: string, ...more: string[]): string =>
  `exec ${name} sh -c 'ip -o addr show scope global | tr -s " " | cut -d" " -f2-4 | sort; { ip route; ip -6 route | grep default; } | tr -s " " | sort; tail -n +7 /etc/hosts | sort${more.map((command) => `; ${command}`).join('')}'`;

const answers = (name: string, type = 'a') => `nslookup -type=${type} ${name} | tail -n +3 | grep -E "^(Address|Name)" | sort`;
/** dockerd asks its upstream about names it doesn't know, and there is none here: the answer is long in coming. */
const unknown = (name: string) => `timeout 2 nslookup -type=a ${name} > /dev/null 2>&1 && echo known || echo unknown`;
const fetch = (url: string) => `wget -T 2 -qO- ${url} 2>&1 | grep -c .`;
const newer = (says: RegExp): NonNullable<Question['differs']> => ({ why: "dockerd 28's sentence; the one compared with is 20.10's", says });

export function besideDockerd(sides: () => Sides): void {
  const ask = (...questions: (string | Question)[]) => sides().askAll(questions);
  const start = (...lines: string[]) => Promise.all(lines.map((line) => sides().ask(`run -d ${line}`)));
  const web = `busybox sh -c 'hostname > /tmp/name; httpd -p 80 -h /tmp; exec sleep 100000'`;

  test('subnets, ranges, and what is refused about them', async () => {
    await ask(
      'network create --ipv6 --subnet 10.50.0.0/24 --ip-range 10.50.0.128/25 --gateway 10.50.0.9 --aux-address r=10.50.0.128 --subnet fd00:50::/64 front',
      'network create --ipv6 --subnet 10.51.0.0/24 --subnet fd00:51::/64 back',
      'network create --internal --subnet 10.52.0.0/24 inner',
      'network create -o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 local',
      { run: 'network create --subnet 10.50.0.0/16 x', differs: newer(/pool overlaps with other one on this address space/) },
      { run: 'network create --ipv6 --subnet fd00:51::/80 x', differs: newer(/pool overlaps with other one on this address space/) },
      { run: 'network create --subnet 10.60.0.1/24 x', differs: newer(/invalid subnet 10\.60\.0\.1\/24: it should be 10\.60\.0\.0\/24/) },
      "network inspect -f '{{.EnableIPv6}} {{.Internal}} {{.Driver}} {{.Scope}} {{len .IPAM.Config}}' front inner",
    );
  });

  test('a container on several networks: addresses, routes and names of both families, while it runs', async () => {
    await start(`--name w1 --network front --network-alias web ${web}`, `--name w3 --network back ${web}`);
    await start(`--name w2 --network front --network-alias web --ip 10.50.0.77 --ip6 fd00:50::77 ${web}`);
    await ask(
      look('w1', answers('w2'), answers('w2', 'aaaa'), `${answers('web')} | wc -l`, answers('w2.front'), fetch('http://[fd00:50::77]/name')),
      look('w2'),
      // All addresses in each answer, and each time another one first.
      {
        run: `exec w1 sh -c 'for i in 1 2 3 4; do nslookup -type=a web | tail -n +3 | grep ^Address | head -1; done | sort -u | wc -l'`,
        differs: { why: 'dockerd leaves it to chance which one is first', says: /^2\nexit 0$/ },
      },
      // A name that exists without the asked type is no error; names of other networks are none.
      `exec w3 sh -c '${unknown('w1')}; ${fetch('http://10.50.0.77/name')}; ${fetch('http://[fd00:50::77]/name')}'`,
      'inspect -f \'{{with index .NetworkSettings.Networks "front"}}{{json .IPAMConfig}} {{.IPAddress}}/{{.IPPrefixLen}} {{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} {{.Gateway}} {{.IPv6Gateway}}{{end}}\' w2',
      'network connect --alias third --link w1:first front w3',
      // The default route is that of the first network by name, and moves as networks come and go.
      look('w3', answers('first'), answers('web'), fetch('http://w1/name')),
      `exec w1 sh -c '${answers('third')}; ${unknown('first')}'`,
      'network disconnect back w3',
      `exec w3 sh -c 'ip -o addr show scope global | tr -s " " | cut -d" " -f2-4; ip route | tr -s " " | sort'`,
      'network connect back w3',
      'network disconnect front w3',
      "network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{.IPv6Address}} {{end}}' back",
      { run: 'network connect --ip 10.51.0.1 back w2', differs: newer(/address already in use/) },
      'network disconnect -f front nosuch',
    );
  });

  test('an internal network has its neighbours and nothing else', async () => {
    await start(`--name i1 --network inner -p 8099:80 ${web}`);
    await ask(`run --rm --network inner busybox sh -c '${fetch('http://i1/name')}; ping -c 1 -W 1 10.50.0.77 > /dev/null 2>&1; echo $?'`, 'port i1', {
      run: fetch('http://127.0.0.1:8099/name'),
      fromHost: true,
    });
  });

  test('links: a line and variables on the default network, following the container that is meant', async () => {
    await start('--name shop -e FOO=bar --expose 80-83 --expose 53/udp busybox sleep 100000');
    await start('--name linker --link shop:the-shop busybox sleep 100000');
    await ask(
      `run --rm --name l2 --link shop --link shop:the-shop busybox sh -c 'tail -n +7 /etc/hosts | sort; env | grep -E "SHOP_(NAME|ENV|PORT)" | sort'`,
      "inspect -f '{{json .HostConfig.Links}}' linker",
      'run --rm --name l3 --link nosuch:a busybox true',
      'run --rm --name l3 --link w1:a busybox true',
      'stop -t 0 shop',
      'run --rm --name l3 --link shop:a busybox true',
      'run -d --name taker busybox sleep 100000',
      'start shop',
      `exec linker sh -c 'for i in 1 2 3 4 5; do grep -q 0.4.*shop /etc/hosts && break; sleep 1; done; grep shop /etc/hosts'`,
    );
  });

  test('published ports: from the host, over both families, from a neighbour and from the container itself', async () => {
    await start(
      `--name p1 --network front -p 8080:80 -p 127.0.0.1:8081:80 -p [::1]:8082:80 -p 8090-8091:90-91/udp busybox sh -c 'hostname > /tmp/name; httpd -p 80 -h /tmp; while :; do echo pong | nc -u -l -p 90; done'`,
      `--name p2 --network local -p 8085:80 ${web}`,
      `--name p3 -P --expose 80 --expose 90-91/udp ${web}`,
    );
    const host = (run: string): Question => ({ run, fromHost: true });
    await ask(
      'port p1',
      'port p2',
      "inspect -f '{{range $port, $at := .NetworkSettings.Ports}}{{$port}} {{len $at}} {{end}}' p3",
      ...[
        '127.0.0.1:8080',
        '[::1]:8080',
        '10.50.0.9:8080',
        '[fd00:50::1]:8080',
        '127.0.0.1:8081',
        '10.50.0.9:8081',
        '[::1]:8082',
        '127.0.0.1:8085',
        '10.50.0.9:8085',
      ].map((place) => host(`echo ${place} $(${fetch(`http://${place}/name`)})`)),
      host('echo ping | timeout 3 busybox nc -u -w 2 127.0.0.1 8090'),
      ...['w1', 'p1'].map((name) => `exec ${name} sh -c '${fetch('http://10.50.0.9:8080/name')}; ${fetch('http://[fd00:50::1]:8080/name')}'`),
      { run: 'run --rm -p 8080:80 busybox true', differs: newer(/bind for 0\.0\.0\.0:8080 failed: port is already allocated/) },
      'network disconnect front p1',
      'rm -f p1 p2 p3',
      host(fetch('http://127.0.0.1:8080/name')),
    );
  });

  test('none, and the modes that share a stack', async () => {
    await ask(
      `run --rm --network none busybox sh -c 'ip -o -4 addr; ip route; cat /etc/resolv.conf; tail -n +7 /etc/hosts'`,
      'network connect front nosuch',
      'run --rm --network container:nosuch busybox true',
      'run --rm --network container:w1 --dns 1.2.3.4 busybox true',
      {
        run: 'run --rm --network host busybox true',
        differs: { why: 'a machine has a network stack of its own', says: /--network host is not possible with berth: .*-p.*-P.*host-gateway/i },
      },
      {
        run: 'run --rm --network container:w1 busybox true',
        differs: { why: 'a machine has a network stack of its own', says: /w1 is a virtual machine .* put both on one network of your own/i },
      },
    );
  });

  test('what containers are told of name servers and hosts', async () => {
    const told = `busybox sh -c 'sort /etc/resolv.conf; grep up /etc/hosts'`;
    await ask(`run --rm --dns 10.9.9.9 --dns-search a.test --dns-search b.test --dns-option ndots:3 --add-host up:1.2.3.4 ${told}`, {
      run: `run --rm --network front --dns 10.9.9.9 --dns-search a.test --dns-option ndots:3 --add-host up:host-gateway ${told}`,
      differs: {
        why: "the resolver is at the network's gateway, which also stands for the host; Docker's is at 127.0.0.11",
        says: /nameserver 10\.50\.0\.9\noptions ndots:3\nsearch a\.test\n10\.50\.0\.9 up/,
      },
    });
  });
}
