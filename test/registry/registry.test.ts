/** Pull and push with Docker's own client and Debian's registry: the same answers as dockerd's, and skopeo reads the result. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '@berth/sys';
import { Berth } from '../berth/index.ts';
import { ApiDescription, descriptionsFolder } from '../clients/openapi.ts';
import { ask } from '../clients/request.ts';
import { words } from '../clients/words.ts';
import { type DockerCli, type NetNamespace, Oracle } from '../oracle/index.ts';
import { comparable } from './answers.ts';
import { makeCertificates } from './certificates.ts';
import { DockerRegistry } from './docker-registry.ts';
import { seed, skopeo, writeSeeds } from './seed.ts';
import { steps, tokenSteps } from './steps.ts';

/** An address that is not loopback, so that nothing is forgiven there. */
const outside = '10.99.0.1';

let directory = '';
let berth: Berth;
let oracle: Oracle;
const open = new AsyncDisposableStack();

before(
  async () => {
    directory = await mkdtemp(join(tmpdir(), 'bt-registry-'));
    open.defer(() => rm(directory, { recursive: true, force: true }));
    await writeSeeds(directory);
    oracle = open.use(await Oracle.open());
    berth = open.use(await Berth.open({ extraArgs: ['--registry-certs', join(directory, 'certs.d')] }));
    for (const [name, netns] of [['dockerd', oracle.netns] as const, ['berth', berth.netns] as const]) {
      open.use(await DockerRegistry.open({ netns, directory: join(directory, name, 'open'), address: '127.0.0.1:5000' }));
      open.use(await DockerRegistry.open({ netns, directory: join(directory, name, 'closed'), address: '127.0.0.1:5001', basic: true }));
      await seed(netns, directory, 'localhost:5000');
    }
    await berth.docker.ok(['load', '-q', '-i', join(directory, 'busybox.tar')]);
  },
  { timeout: 360_000 },
);
after(() => open.disposeAsync(), { timeout: 120_000 });

test('what dockerd says to the same commands', { timeout: 480_000 }, async (context) => {
  await compare(context, steps);
});

async function compare(context: TestContext, table: typeof steps): Promise<void> {
  for (const step of table) {
    const line = (typeof step === 'string' ? step : step.run).replace('{soon}', String(Math.floor(Date.now() / 1000) + 1));
    const ask = (docker: DockerCli) => docker.run(words(line)).then(comparable);
    const [theirs, ours] = await Promise.all([ask(oracle.docker), ask(berth.docker)]);
    await context.test(`docker ${line}`, () => {
      if (typeof step === 'string') assert.deepEqual(ours, theirs);
      else assert.match([...ours.lines, ...ours.errors].join('\n'), step.says, step.why);
    });
  }
}

test('the JSON of what is asked of a registry: as described, and as dockerd’s', { timeout: 120_000 }, async (context) => {
  const open = 'localhost:5000/lib/busybox:1';
  const asked: readonly (readonly [method: string, path: string, url: string, body?: object])[] = [
    ['GET', '/distribution/{name}/json', `/distribution/${open}/json`],
    ['GET', '/distribution/{name}/json', '/distribution/localhost:5000/multi/json'],
    ['GET', '/distribution/{name}/json', '/distribution/localhost:5999/x/json'],
    ['POST', '/auth', '/auth', { username: 'ann', password: 'secret', serveraddress: 'localhost:5001' }],
    ['GET', '/images/search', '/images/search?term=localhost:5000/x'],
    ['POST', '/images/create', '/images/create?fromImage=localhost:5000/lib/busybox&tag=absent'],
    ['POST', '/images/create', '/images/create?fromImage=localhost:5001/x&tag=1'],
  ];
  for (const version of ['1.41', '1.50']) {
    if (!ApiDescription.exists(version)) {
      context.diagnostic(`the description of version ${version} is not in ${descriptionsFolder}: not held against it`);
      continue;
    }
    const description = new ApiDescription(version);
    for (const [method, path, url, body] of asked) {
      const ours = await ask(berth.docker.socketPath, method, `/v${version}${url}`, body);
      assert.deepEqual(description.check(method, path, ours.status, ours.body), [], `${method} ${url}: ${JSON.stringify(ours)}`);
      const theirs = await ask(oracle.docker.socketPath, method, `/v1.41${url}`, body);
      assert.deepEqual(ours, theirs, `${method} ${url}`);
    }
  }
  const wrong = { username: 'ann', password: 'wrong', serveraddress: 'localhost:5001' };
  assert.equal((await ask(berth.docker.socketPath, 'POST', '/auth', wrong)).status, 401);
});

test('skopeo reads what was pushed, and what skopeo pushed on comes back the same', { timeout: 120_000 }, async () => {
  const { docker, netns } = berth;
  const inspected = JSON.parse(await skopeo(netns, ['inspect', '--tls-verify=false', 'docker://localhost:5000/new:1'])) as { Digest: string };
  await skopeo(netns, ['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', 'docker://localhost:5000/new:1', 'docker://localhost:5000/copy:1']);
  await docker.ok(['pull', '-q', 'localhost:5000/copy:1']);
  const digests = JSON.parse(await docker.ok(['image', 'inspect', '--format', '{{json .RepoDigests}}', 'localhost:5000/copy:1'])) as string[];
  assert.ok(digests.includes(`localhost:5000/copy@${inspected.Digest}`), digests.join(' '));
});

test('a token server: what needs a login, login, push, pull', { timeout: 180_000 }, async (context) => {
  const made = join(directory, 'token');
  await mkdir(made);
  const { ca, cert, key } = await makeCertificates(made, outside);
  await using stack = new AsyncDisposableStack();
  for (const [name, netns] of [['dockerd', oracle.netns] as const, ['berth', berth.netns] as const]) {
    const [command, args] = netns.enter(process.execPath, [fileURLToPath(new URL('token-server.ts', import.meta.url)), '5010', key, cert]);
    const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    stack.defer(async () => {
      const ended = once(server, 'exit');
      server.kill('SIGKILL');
      await ended;
    });
    await once(server.stdout, 'data');
    const token = { realm: 'http://localhost:5010/token', certificate: ca };
    stack.use(await DockerRegistry.open({ netns, directory: join(directory, name, 'token'), address: '127.0.0.1:5002', token }));
  }
  await compare(context, tokenSteps);
});

test('an authority of one’s own', { timeout: 120_000 }, async () => {
  const { docker, netns } = berth;
  for (const one of [netns, oracle.netns]) await addAddress(one);
  const made = join(directory, 'tls');
  await mkdir(made);
  const { ca, cert, key } = await makeCertificates(made, outside);
  const host = `${outside}:5003`;
  for (const [name, one] of [['berth', netns] as const, ['dockerd', oracle.netns] as const]) {
    open.use(await DockerRegistry.open({ netns: one, directory: join(directory, name, 'tls'), address: host, tls: { cert, key } }));
  }
  const ask = (side: DockerCli) => side.run(['pull', `${host}/x:1`]).then(comparable);
  const unknown = await ask(docker);
  assert.deepEqual(unknown, await ask(oracle.docker));
  assert.match(unknown.errors.join(), /x509: certificate signed by unknown authority/);
  const trusted = join(directory, 'certs.d', host);
  await mkdir(trusted, { recursive: true });
  await copyFile(ca, join(trusted, 'ca.crt'));
  await docker.ok(['tag', 'busybox', `${host}/tls:1`]);
  await docker.ok(['push', '-q', `${host}/tls:1`]);
  await docker.ok(['rmi', `${host}/tls:1`]);
  await docker.ok(['pull', '-q', `${host}/tls:1`]);
});

async function addAddress(netns: NetNamespace): Promise<void> {
  const [command, args] = netns.enter('ip', ['address', 'add', `${outside}/32`, 'dev', 'lo']);
  await run(command, args);
}
