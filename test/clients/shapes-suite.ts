import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { DockerCli } from '../oracle/index.ts';
import type { BerthSide } from './berth-side.ts';
import type { Sides } from './sides.ts';
import { words } from './words.ts';
import { ApiDescription, descriptionsFolder } from './openapi.ts';
import { ask } from './request.ts';

/** Operations whose answers are looked at: as the description names them, and with what is in the braces. */
const operations: readonly (readonly [method: string, path: string, values?: Readonly<Record<string, string>>, query?: string])[] = [
  ['GET', '/version'],
  ['GET', '/info'],
  ['GET', '/system/df'],
  ['GET', '/containers/json', {}, 'all=1&size=1'],
  ['GET', '/containers/{id}/json', { id: 'shape-running' }, 'size=1'],
  ['GET', '/containers/{id}/json', { id: 'shape-ended' }],
  ['GET', '/containers/{id}/json', { id: 'shape-created' }],
  ['GET', '/containers/{id}/top', { id: 'shape-running' }],
  ['GET', '/containers/{id}/stats', { id: 'shape-running' }, 'stream=0'],
  ['GET', '/containers/{id}/stats', { id: 'shape-ended' }, 'stream=0'],
  ['POST', '/containers/{id}/wait', { id: 'shape-ended' }],
  ['GET', '/exec/{id}/json', { id: 'EXEC' }],
  ['GET', '/images/json'],
  ['GET', '/images/{name}/json', { name: 'busybox' }],
  ['GET', '/images/{name}/history', { name: 'busybox' }],
  ['POST', '/images/prune'],
  ['GET', '/networks'],
  ['GET', '/networks/{id}', { id: 'bridge' }],
  ['GET', '/networks/{id}', { id: 'shape-network' }],
  ['GET', '/volumes'],
  ['GET', '/volumes/{name}', { name: 'shape-volume' }],
  ['GET', '/plugins'],
];

/** Findings that dockerd itself gives cause for: the description is looser or stricter than any daemon. */
const looseEnds: readonly RegExp[] = [
  // Every dockerd says null when no swappiness was asked for.
  /\.HostConfig\.MemorySwappiness: is null$/,
  // Sent by dockerd until 1.41, and forgotten by the description.
  /^GET \/system\/df \.BuilderSize/,
  // Gone since 1.45; docker-compose 1.29 does not look at the version and ends without it.
  /^GET \/images\/\{name\}\/json \.ContainerConfig/,
];

const limit = { timeout: 600_000 };

/** The JSON itself: against the official descriptions, and field by field against dockerd's. */
export function shapesSuite(sides: Sides): void {
  describe('the JSON of Berth', limit, () => {
    let berth: BerthSide;
    let exec: string;
    before(async () => {
      berth = sides.berth;
      exec = await furnish(berth.docker);
    });
    after(async () => {
      await Promise.all([clear(berth.docker), clear(sides.oracle.docker)]);
    });

    for (const version of ['1.41', '1.50']) {
      test(`is what the description of ${version} says`, limit, async (t) => {
        if (!ApiDescription.exists(version)) {
          t.skip(`the description of version ${version} is not in ${descriptionsFolder}`);
          return;
        }
        const description = new ApiDescription(version);
        const findings: string[] = [];
        for (const [method, path, values = {}, query] of operations) {
          const answer = await ask(
            berth.docker.socketPath,
            method,
            `/v${version}${fill(path, { ...values, ...(values['id'] === 'EXEC' ? { id: exec } : {}) }, query)}`,
          );
          findings.push(...description.check(method, path, answer.status, answer.body).map((finding) => `${method} ${path} ${finding}`));
        }
        const left = findings.filter((finding) => !looseEnds.some((pattern) => pattern.test(finding)));
        assert.equal(left.length, 0, `\n${left.join('\n')}`);
      });
    }

    test('has the fields that dockerd’s has, at its version 1.41', limit, async () => {
      const { oracle } = sides;
      const theirExec = await furnish(oracle.docker);
      const findings: string[] = [];
      for (const [method, path, values = {}, query] of operations) {
        const at = (id: string) => `/v1.41${fill(path, { ...values, ...(values['id'] === 'EXEC' ? { id } : {}) }, query)}`;
        const [theirs, ours] = await Promise.all([ask(oracle.docker.socketPath, method, at(theirExec)), ask(berth.docker.socketPath, method, at(exec))]);
        if (theirs.status !== ours.status) findings.push(`${method} ${path}: ${theirs.status} at dockerd, ${ours.status} at Berth`);
        const [a, b] = [new Set(fields(theirs.body, '')), new Set(fields(ours.body, ''))];
        for (const field of a) if (!b.has(field)) findings.push(`${method} ${path} ${JSON.stringify(values)}: no ${field}`);
        for (const field of b) if (!a.has(field)) findings.push(`${method} ${path} ${JSON.stringify(values)}: also ${field}`);
      }
      const left = findings.filter((finding) => !differences.some(({ pattern }) => pattern.test(finding)));
      assert.equal(left.length, 0, `\n${left.join('\n')}`);
    });
  });
}

/** Fields that differ from dockerd's on purpose. */
const differences: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /no .*\.(KernelMemory|KernelMemoryTCP)\b/, why: 'gone from later versions of Docker; never supported here' },
  { pattern: /GET \/(version|info)/, why: 'what a daemon says of itself; the description is the judge' },
  {
    pattern: /stats .*\.(percpu_usage|max_usage|memory_stats\.stats\.\w+|io_service_bytes_recursive\[\]\.\w+)$/,
    why: 'dockerd reads control groups of version 1 here; Berth tells what version 2 does',
  },
  { pattern: /also .*\.SizeRw$/, why: 'a writable layer has a size of its own here, if a small one, before anything is written' },
  { pattern: /stats .*no \.networks\.\*/, why: 'processes of the host have no network of their own to count (not on machines)' },
  { pattern: /GET \/networks.*(Options\.\*|IPAM\.Config\[\]\.Gateway)$/, why: 'the default network needs no options here, and its gateway is no secret' },
  { pattern: /also \.Volumes\[\]\.Labels\.\*$/, why: 'volumes that nobody named are labelled by later versions of Docker' },
  { pattern: /(no|also) .*GraphDriver\.Data\./, why: 'the layers of an image are no folders of the host' },
];

/** The same things on either side. Gives the id of an exec that ended. */
async function furnish(docker: DockerCli): Promise<string> {
  await clear(docker);
  await docker.ok(['network', 'create', 'shape-network']);
  // The first container with a limit may have to wait for a template of its size to boot.
  const options = '-p 127.0.0.1:18099:80 --expose 81 -e A=1 -l a=b --network shape-network --network-alias alias --tmpfs /t -m 100m --ulimit nofile=100:200';
  await docker.ok(words(`run -d --name shape-running ${options} busybox sleep 1000`), { timeoutMs: 150_000 });
  await docker.run(['run', '--name', 'shape-ended', 'busybox', 'sh', '-c', 'exit 3']);
  await docker.ok(words('create --name shape-created --network none -v shape-volume:/v -v /own -v /etc/hostname:/h:ro busybox true'));
  const made = await ask(docker.socketPath, 'POST', '/v1.41/containers/shape-running/exec', { Cmd: ['true'], AttachStdout: true });
  const { Id } = made.body as { Id: string };
  await ask(docker.socketPath, 'POST', `/v1.41/exec/${Id}/start`, { Detach: true });
  return Id;
}

async function clear(docker: DockerCli): Promise<void> {
  await docker.run(['rm', '-f', '-v', 'shape-running', 'shape-ended', 'shape-created']);
  await docker.run(['volume', 'rm', '-f', 'shape-volume']);
  await docker.run(['network', 'rm', 'shape-network']);
}

function fill(path: string, values: Readonly<Record<string, string>>, query?: string): string {
  const filled = path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(values[name] ?? ''));
  return query === undefined ? filled : `${filled}?${query}`;
}

/** Paths of all fields; elements of a list count as one, and names that are data as `*`. */
function fields(value: unknown, at: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => fields(item, `${at}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const key = /^(\d+\/(tcp|udp)|[0-9a-f]{64}|bridge|none|host|shape-network|eth\d|com\.docker\..*|[a-z]+=.*|\/t|\/own|a)$/.test(name) ? '*' : name;
    return [`${at}.${key}`, ...fields(member, `${at}.${key}`)];
  });
}
