import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Berth } from '../berth/index.ts';
import { Oracle, until } from '../oracle/index.ts';
import { Compose, composeV1, composeV2, projectFolder } from './compose-client.ts';
import { importImage, postgresImage, pythonImage, redisImage, rootTar } from './images.ts';
import { Side } from './side.ts';
import { walk } from './walk.ts';

const images = [postgresImage, redisImage, pythonImage];

describe('a web application with PostgreSQL and Redis, by Compose', { timeout: 1_700_000 }, () => {
  let berth: Berth;
  let folder: string;
  let v1: string | undefined;
  let v2: string | undefined;

  before(async () => {
    for (const image of images) await rootTar(image);
    [v1, v2, folder] = await Promise.all([composeV1(), composeV2(), projectFolder()]);
    berth = await Berth.open();
    await Promise.all(images.map((image) => importImage(berth.docker, image)));
  });
  after(async () => {
    await berth?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('docker-compose 1.29: the whole life of it, as on dockerd', async (t) => {
    if (v1 === undefined) return t.skip('this Debian has no docker-compose 1.29');
    const told = await walk(new Side(berth, new Compose(v1, berth.docker, folder)));
    await using oracle = await Oracle.open({ busybox: false });
    await Promise.all(images.map((image) => importImage(oracle.docker, image)));
    assert.deepEqual(told, await walk(new Side(oracle, new Compose(v1, oracle.docker, folder))));
  });

  test('Compose v2, with the database on a disk of its own: up, a change, kill -9 of the daemon, down', async (t) => {
    if (v2 === undefined) return t.skip('Compose v2 can be had neither from this Debian nor from a later one');
    const compose = new Compose(v2, berth.docker, folder);
    const side = new Side(berth, compose);
    const env = { COMPOSE_FILE: 'docker-compose.yml:block.yml' };
    const up = ['up', '-d', '--wait'];
    await compose.ok(up, { env });
    const port = await side.port();
    for (let n = 1; n <= 5; n++) assert.equal(await side.ask(port, '/notes', `note ${n}`), n);
    const rows = (await compose.ok(['ps', '--format', 'json'])).split('\n').map((line) => JSON.parse(line) as { Service: string; Health: string });
    assert.deepEqual(rows.map((row) => `${row.Service} ${row.Health}`).sort(), ['cache healthy', 'db healthy', 'web ']);
    const [db] = await side.ids('db');

    // In the middle of writing.
    const writing = Promise.all(Array.from({ length: 20 }, (_, i) => side.ask<number>(port, '/notes', `late ${i}`)));
    await berth.kill();
    await berth.start();
    const written = await writing;
    const notes = await side.ask<string[]>(port, '/notes');
    assert.ok(notes.length >= 25 && new Set(written).size === 20, `${notes.length} notes`);
    assert.deepEqual(await side.ids('db'), [db], 'it ran on');

    await compose.ok(up, { env: { ...env, GREETING: 'salut' } });
    assert.deepEqual(await side.ids('db'), [db]);
    await compose.ok(['up', '-d', '--no-recreate', '--scale', 'web=2'], { env });
    assert.equal((await side.ids('web')).length, 2);
    await compose.ok(['down'], { env });
    await compose.ok(up, { env });
    await until('the notes are there', 60_000, async () => (await side.ask<string[]>(await side.port(), '/notes')).length === notes.length);
    await compose.ok(['down', '-v', '-t', '2'], { env });
    assert.equal(await berth.docker.ok(['volume', 'ls', '-q']), '');
  });
});
