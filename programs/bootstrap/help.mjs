const INSTANCE = `
Which instance (every command; several can run beside each other)
  --state-dir DIR     images, containers, logs          BERTH_STATE    /var/lib/berth
  --run-dir DIR       sockets, what is running          BERTH_RUN      /run/berth
  --prefix WORD       begins names of links and tables  BERTH_PREFIX   berth`;

const TEXTS = {
  help: `Berth: every container a virtual machine of its own, driven by the stock docker client.

  npm start                   prepare this machine, start Berth, stay in the foreground
  npm start -- --detach       the same, and leave it running in the background
  npm run status              what runs, where, and the lines to use
  npm run stop                end the daemon; containers keep running
  npm run stop -- --all       end every container, then the daemon
  npm test                    every check and every test suite (sets up what it needs)
  npm run check               format, lint, types, architecture, unit tests: under a minute
  npm run bench               measure against dockerd + runc

‘-- --help’ after any of them says more. First minute:

  npm start -- --detach
  docker context create berth --docker host=unix:///run/berth/default.sock
  docker --context berth run --rm -it busybox`,
  start: `npm start -- [--detach] [--json] [--log-driver NAME] [--log-opt NAME=VALUE ...]

Makes this machine ready and starts Berth. It says what is missing and installs just that: system packages by apt
(without what they recommend, starting no service), npm packages, a Node 24 from npm if this one is older. Then it builds
the guest, starts berthd, boots the template, makes the first images and runs a container as a check. Whatever is done
already is not done again: a second start takes seconds.

  -d, --detach   return when ready; the daemon goes on in the background
  --json         print one JSON object when ready, nothing else
  --log-driver   for containers that name none: json-file (the default), local or none
  --log-opt      and their options, as dockerd's: without max-size=10m or the like a log grows as long as its container writes

Which registries are talked to, and how (handed to the daemon: it keeps to them until it is stopped; repeatable)
  --registry-mirror URL         ask here first for names without a host
  --insecure-registry HOST      plain HTTP or an unchecked certificate will do there (HOST, HOST:PORT or CIDR)
  --allow-registry HOST         only these may be pulled from and pushed to (HOST, HOST:PORT or *.DOMAIN)
  --trust-registry-target HOST  an internal host that registries may send us to for blobs and tokens (or CIDR)
  --registry-certs DIR          DIR/HOST[:PORT]/*.crt are authorities, x.cert with x.key our own certificate
                                (default /etc/berth/certs.d)

In the foreground, Ctrl-C ends the daemon. Containers are processes of their own and keep running; the last lines say
which. The next start takes them up again.`,
  stop: `npm run stop -- [--all] [--json]

Ends the daemon in order. Containers keep running and are taken up by the next start; --all stops each of them first
(its stop signal, then after its grace period KILL).`,
  status: `npm run status -- [--json]

Says whether the daemon runs, since when, with how much memory, how many containers and virtual machines there are, what
isolates them, and the lines to use. The exit code is 0 either way; programs read ‘running’ from --json.`,
  test: `npm test -- [--list] [--no-setup] [--only WORD] [FILE ...]

Installs what the tests need, then checks format, lint, types and architecture, and runs every *.test.ts with node:test in
namespaces of its own (mounts, processes), so that whatever a suite leaves behind is seen, and fails it.

  --list         print the suites and end
  --no-setup     do not look for missing packages
  --only WORD    only the suites whose path contains WORD (also: name files)`,
  check: `npm run check -- [--fix]

Format (biome), lint (oxlint), types (tsc), architecture and unit tests: what to run before every commit.

  --fix          write the formatting and the lint fixes that are safe`,
  bench: `npm run bench -- [--quick] [--trace] [--only NAME] [--runs N] [--out DIR]

Measures Berth against dockerd + runc (and podman where it can be installed), alternating in one run, and writes medians,
95th percentiles and the machine's facts to bench/results/.

  --quick        few samples, a minute or two
  --trace        where the time of one start goes, phase by phase
  --list         the figures
  --only NAME    one figure; can be given several times`,
};

export function helpText(command) {
  const text = TEXTS[command] ?? TEXTS.help;
  return `${text}\n${['start', 'stop', 'status', 'help'].includes(command) ? `${INSTANCE}\n` : ''}`;
}
