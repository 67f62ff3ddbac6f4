import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { Berth } from '../berth/index.ts';
import { type DockerCli, until } from '../oracle/index.ts';

const KILLS = 4;
/** Writes a line to each kind of volume, and says what is there. */
const turn = (word: string) =>
  `for f in /shared/log /disk/log /host/log; do echo ${word} >> $f; done; cat /shared/log /disk/log /host/log | sort | uniq -c | tr -s ' '`;

test('the daemon is killed while volumes are made, used and removed', { timeout: 480_000 }, async () => {
  await using berth = await Berth.open({ extraArgs: ['--pool-size', '1'] });
  const { docker } = berth;
  const host = join(berth.directory, 'host');
  mkdirSync(host);
  writeFileSync(join(host, 'precious'), 'not Berth’s\n');
  await docker.ok(['volume', 'create', '-o', 'type=block', '-o', 'size=64m', 'disk']);
  const volumes = ['-v', 'shared:/shared', '-v', 'disk:/disk', '-v', `${host}:/host`, '-v', '/own'];
  await docker.ok(['run', '-d', '--name', 'keeper', ...volumes, 'busybox', 'sleep', '100000']);

  const end = new AbortController();
  const storming = storm(docker, host, end.signal);
  let words = 0;
  const check = async () => {
    const said = await docker.ok(['exec', 'keeper', 'sh', '-c', turn(`word${++words}`)]);
    const wanted = Array.from({ length: words }, (_, n) => `3 word${n + 1}`).sort();
    assert.deepEqual(
      said
        .split('\n')
        .map((line) => line.trim())
        .sort(),
      wanted,
    );
  };
  try {
    await check();
    for (let round = 0; round < KILLS; round++) {
      await delay(300 + ((round * 331) % 900));
      await berth.kill();
      await berth.start();
      await check();
    }
  } finally {
    end.abort();
  }
  await storming;

  // A stop writes disks back; a start finds everything again.
  await docker.ok(['restart', '-t', '0', 'keeper']);
  await check();
  await docker.ok(['rm', '-f', '-v', 'keeper']);
  const others = (await docker.ok(['ps', '-aq'])).split('\n').filter(Boolean);
  if (others.length > 0) await docker.ok(['rm', '-f', '-v', ...others]);
  assert.equal(readFileSync(join(host, 'log'), 'utf8').split('\n').length, words + 1);
  assert.equal(readFileSync(join(host, 'precious'), 'utf8'), 'not Berth’s\n');

  const listed = (await docker.ok(['volume', 'ls', '-q'])).split('\n').filter(Boolean).sort();
  assert.deepEqual(
    listed.filter((name) => !name.startsWith('storm-')),
    ['disk', 'shared'],
    'volumes without a name went with their containers',
  );
  const folder = join(berth.stateDirectory, 'volumes');
  await until('what was thrown away is deleted', 10_000, () => readdirSync(join(folder, '.trash')).length === 0);
  assert.deepEqual(
    readdirSync(folder)
      .filter((name) => name !== '.trash')
      .sort(),
    listed,
  );
  await docker.ok(['volume', 'rm', ...listed]);
  await berth.terminate();
  assert.deepEqual((await berth.survey()).mounts, []);
});

/** Makes and removes volumes and containers that have some; what is cut short by a kill is an answer, too. */
async function storm(docker: DockerCli, host: string, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    const name = `storm-${round}`;
    await docker.run(['volume', 'create', ...(round % 2 === 0 ? ['-o', 'type=block', '-o', 'size=32m'] : []), name]);
    await docker.run(['run', '--rm', '-v', `${name}:/v`, '-v', '/own', '-v', `${host}:/host:ro`, 'busybox', 'sh', '-c', 'echo x > /v/x']);
    await docker.run(['volume', 'rm', name]);
  }
}
