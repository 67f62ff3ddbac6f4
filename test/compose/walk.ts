import assert from 'node:assert/strict';
import type { Done } from './compose-client.ts';
import { until } from '../oracle/index.ts';
import type { Answer, Side } from './side.ts';
import { Watch } from './watch.ts';

/** What both daemons must answer alike: a command's exit code and its standard output, without what differs by chance. */
export type Told = readonly [command: string, exitCode: number, stdout: string];

const alike = (text: string) =>
  text
    .replace(/:(3|4|5)\d{4}/g, ':<port>')
    .replace(/(, ?)?:::<port>->\d+\/tcp/g, '')
    .replace(/\b[0-9a-f]{12}\b/g, '<short>')
    .replace(/\(health: starting\)/g, '(healthy)')
    .replace(/[ -]{2,}/g, '  ')
    .replace(/ +$/gm, '')
    .trim();

/** The life of the project, from the first `up` to `down -v`, as docker-compose 1.29 is used. */
export async function walk(side: Side): Promise<Told[]> {
  const told: Told[] = [];
  const { compose } = side;
  const tell = async (line: string, env: Record<string, string> = {}): Promise<Done> => {
    const done = await compose.run(
      line.split(' ').map((word) => word.replaceAll('\t', ' ')),
      { env },
    );
    told.push([line, done.exitCode, alike(done.stdout)]);
    return done;
  };
  const must = async (line: string, env: Record<string, string> = {}) => {
    const done = await tell(line, env);
    assert.equal(done.exitCode, 0, `${line}: ${done.stderr}`);
    return done.stdout;
  };

  await must('config --services');
  using watch = new Watch(side.docker, ['health_status', 'start']);
  await must('up -d');
  const [db = '', cache = '', web = ''] = await Promise.all(['db', 'cache', 'web'].map(async (name) => (await side.ids(name))[0] ?? ''));
  // What the application depends on was healthy before it began.
  const begun = await until('the application has begun', 20_000, () => watch.lines.includes(`start ${web}`) && watch.lines);
  for (const id of [db, cache]) {
    const healthy = begun.indexOf(`health_status: healthy ${id}`);
    assert.ok(healthy >= 0 && healthy < begun.indexOf(`start ${web}`), begun.join('\n'));
  }

  const port = await side.port();
  assert.equal(await side.ask(port, '/notes', 'buy milk'), 1);
  assert.equal((await side.ask<Answer>(port, '/')).visits, 1);
  await must('ps');
  assert.match(await compose.ok(['logs', '--no-color', 'web']), /web_1\s+\| serving/);
  assert.match(await must('exec -T cache redis-cli get visits'), /^1$/m);
  await must('exec -T db psql -U shop -tAc select\ttext\tfrom\tnotes shop');
  await tell('exec -T web python3 -c raise(SystemExit(7))');
  await tell('run --rm --no-deps web -c import(os)');
  await must(
    'run --rm --no-deps -e GREETING=once web -c import\tos;print(os.environ["GREETING"],os.getuid(),os.getcwd(),open("/etc/hosts").read().count("elsewhere.example"))',
  );
  assert.match(await compose.ok(['top', 'db']), /postgres/);

  // What the file asks for, as the container sees it.
  await must(
    'exec -T db sh -c grep\tfiles\t/proc/1/limits;ulimit\t-Hn;df\t-m\t/dev/shm\t|\ttail\t-1\t|\tcut\t-c1-3;cat\t/sys/fs/cgroup/memory.max\t/sys/fs/cgroup/memory/memory.limit_in_bytes\t2>/dev/null;true',
  );
  await must('exec -T cache sh -c touch\t/x\t2>/dev/null||touch\t/tmp/x&&stat\t-f\t-c\t%T\t/tmp');

  await must('up -d --scale web=3');
  assert.equal((await side.ids('web')).length, 3);
  const names = 'import\tsocket;print(len(set(a[4][0]\tfor\ta\tin\tsocket.getaddrinfo("web",8000))))';
  await must(`run --rm --no-deps web -c ${names}`);
  const hosts = new Set<string>();
  for (const index of [1, 2, 3]) hosts.add((await side.ask<Answer>(await side.port(index), '/')).host);
  assert.equal(hosts.size, 3);
  await must('up -d --scale web=1');

  await must('restart -t 5 web');
  // Not before: a program that has just begun does not handle signals yet.
  assert.equal((await side.ask<Answer>(await side.port(), '/')).greeting, 'hello');
  await must('pause web');
  await must('ps web');
  await must('unpause web');
  await must('stop -t 5 web');
  await must('ps web');
  await must('start web');
  await must('kill -s SIGKILL web');
  await tell('ps web');
  // Nobody asked for this end: the policy brings it back.
  await compose.run(['exec', '-T', 'cache', 'redis-cli', 'shutdown', 'save']);
  await until('the cache is back', 90_000, async () => (await side.inspect(cache, '{{.RestartCount}} {{.State.Health.Status}}')) === '1 healthy');
  await must('exec -T cache redis-cli get visits');

  await must('up -d', { GREETING: 'bonjour' });
  assert.notEqual((await side.ids('web'))[0], web);
  assert.deepEqual([await side.ids('db'), await side.ids('cache')], [[db], [cache]]);
  assert.equal((await side.ask<Answer>(await side.port(), '/')).greeting, 'bonjour');

  await must('down');
  await must('up -d');
  assert.deepEqual(await side.ask(await side.port(), '/notes'), ['buy milk']);
  assert.equal((await side.ask<Answer>(await side.port(), '/')).visits, 7);
  await must('ps -a');
  await must('down -v');
  assert.equal(await side.docker.ok(['volume', 'ls', '-q', '--filter', 'label=com.docker.compose.project=shop']), '');
  assert.equal(await side.docker.ok(['ps', '-aq']), '');
  assert.equal(await side.docker.ok(['network', 'ls', '-q', '--filter', 'label=com.docker.compose.project=shop']), '');
  return told;
}
