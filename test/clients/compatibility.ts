/** Writes docs/docker-compatibility.md from the tables that requests are judged and clients are tested by. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { absentTable, buildOptionTable, configTable, hostConfigTable, type OptionRow } from '@berth/docker-api';
import type { Difference, Step } from './case.ts';
import { cases } from './cases.ts';
import { commands } from './commands.ts';

export const documentPath = join(import.meta.dirname, '../../docs/docker-compatibility.md');

export function compatibilityDocument(): string {
  return [
    '# Docker compatibility',
    '',
    '<!-- Written by test/clients/compatibility.ts; change the tables it reads, not this file. -->',
    '',
    'Berth speaks the Docker Engine API from 1.24 to 1.50. The stock `docker` 28 command and dockerode are driven side by side',
    "with a real `dockerd` (Debian's 20.10) in `test/clients`; every difference found there is either fixed or listed here with",
    "its reason. Berth's JSON is validated against the official descriptions of 1.41 and 1.50. What is not there answers",
    '**501 with a sentence**, never a silent success.',
    '',
    '## Commands',
    '',
    table(
      ['command', 'here', 'remarks'],
      commands.map(({ command, verdict, remark }) => [`\`docker ${command}\``, verdict, remark]),
    ),
    '',
    '## Options of `docker run` and `docker create`',
    '',
    '*acted*: does what it does in Docker. *warned*: accepted, has no effect, and the answer says so. *harmless*: accepted; having',
    'no effect is its effect here. *refused*: 501 with a sentence when it is given a value that would change something.',
    'Options that only describe the process or the container (`-e`, `-w`, `-u`, `-l`, `-h`, `--name`, `--entrypoint`,',
    '`--stop-signal`, `--stop-timeout`, `-i`, `-t`, `-d`, `--network-alias`, `--ip`, `--ip6`, `--expose`, `--domainname`) act as in Docker.',
    '',
    table(['option', 'field', 'here', 'remarks'], [...hostConfigTable, ...configTable].map(optionLine)),
    '',
    '## Options of `docker build`',
    '',
    "With the classic API (`DOCKER_BUILDKIT=0`); of BuildKit's Dockerfiles heredocs, `RUN --mount`, `--network`, `COPY --chmod` and `--link`,",
    '`ADD --checksum` and the expansions of variables are there: see docs/design/builds.md.',
    '',
    table(
      ['option', 'parameter', 'here', 'remarks'],
      buildOptionTable.map(({ flag, parameter, treatment, note }) => [flag === '' ? '' : `\`${flag}\``, `\`${parameter}\``, treatment, note]),
    ),
    '',
    '## Operations that are not there',
    '',
    table(
      ['operation', 'what it is for', 'instead'],
      absentTable.map(({ method, path, what, instead }) => [`\`${String(method)} ${path}\``, what, instead ?? '']),
    ),
    '',
    '`/swarm`, `/nodes`, `/services`, `/tasks`,',
    '`/secrets` and `/configs` answer as a daemon outside a swarm does (503). Volumes and plugins list as empty.',
    '',
    '## Answers that differ from dockerd 20.10',
    '',
    table(['command', 'what differs', 'why'], differences()),
    '',
    '## Small print',
    '',
    ...smallPrint.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

const smallPrint: readonly string[] = [
  'A container is a virtual machine: `State.Pid` is the pid of its machine, `docker top` shows pids inside it, and users other than root by number.',
  '`docker top` takes the arguments of `ps`, in its three styles; threads, and columns of the kernel that a machine does not report (`uss`, `unit`, signal masks, …), are refused.',
  'There is no network `host`; `bridge` and `none` are there. What a program wants of `--network host` is `-p`, `-P`, or the name of the host by `--add-host name:host-gateway`.',
  'Network drivers other than `bridge`, networks without IPv4, `--config-only` and `--config-from` are refused; swarm scopes are answered as by a daemon outside a swarm. A subnet of IPv6 without `--ipv6` is passed over.',
  'Names are answered by the gateway of a network, not at 127.0.0.11. Addresses behind one name take strict turns; dockerd shuffles them.',
  'An internal network has no default route, as in dockerd 28, and reaches nothing of the host but its name service.',
  '`docker stats` counts as control groups of version 2 do, inside the machine.',
  '`docker info` and `docker version` speak of Berth: isolation and verdict of each runtime stand under the storage driver, and software emulation is warned of.',
  'Broken requests are answered with 400 where dockerd 20.10 gave 500, as later versions do.',
  'Pulls and pushes are compared with dockerd in `test/registry`. A registry that answers wrongly, or sends its clients to internal addresses, is refused (`docs/design/registries.md`).',
  'Sizes of logs count the bytes of records, as dockerd counts those of JSON: the same `max-size` keeps somewhat more here. What dockerd says of wrong log options at the start is said at create.',
  'A restart policy regards SIGKILL and the stop signal as a stop by hand; dockerd any signal, so that there `docker kill -s HUP` switches restarts off.',
  '`docker update` of a running container is refused when its machine has no room for the limit, or its processes use more than the limit; of a stopped one it never is.',
  "Volumes: locks and inotify do not cross from one container to another, the image's content is copied into an empty volume by the first run rather than by create, and a disk (`type=block`) has no mountpoint: see docs/design/volumes.md.",
  '`docker build` finds the classic builder announced; with `DOCKER_BUILDKIT=1`, and as `docker buildx build`, it is told what to set.',
  'Steps of a build that run nothing have no container and no `Running in` line; stages that nothing needs are not built.',
];

function optionLine({ flag, field, treatment, note }: OptionRow): string[] {
  return [flag === '' ? '' : `\`${flag}\``, `\`${field}\``, treatment, note];
}

function differences(): string[][] {
  return cases.flatMap(({ steps }) =>
    steps.flatMap((given) => {
      const step: Step | undefined = typeof given === 'string' ? undefined : given;
      return step?.differs === undefined ? [] : [[`\`docker ${step.run}\``, what(step.differs), step.differs.why]];
    }),
  );
}

function what({ exitCode, stdout, stderr }: Difference): string {
  return [exitCode === undefined ? [] : [`exit code ${exitCode}`], stdout === undefined ? [] : ['output'], stderr === undefined ? [] : ['sentence']]
    .flat()
    .join(', ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

if (import.meta.main) {
  await writeFile(documentPath, compatibilityDocument());
  console.log(documentPath);
}
