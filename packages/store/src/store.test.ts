import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { Store } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'berth-store-'));
after(() => rmSync(folder, { recursive: true }));

test('rows are there after closing and opening again', async () => {
  const path = join(folder, 'a', 'state.db');
  {
    await using store = await Store.open({ path });
    await store.db.insertInto('facts').values({ name: 'id', value: 'x' }).execute();
  }
  await using store = await Store.open({ path });
  assert.deepEqual(await store.db.selectFrom('facts').selectAll().execute(), [{ name: 'id', value: 'x' }]);
});

test('a file of a newer version is refused with its number', async () => {
  const path = join(folder, 'newer.db');
  await (await Store.open({ path }))[Symbol.asyncDispose]();
  const file = new SqliteDatabase(path);
  file.pragma('user_version = 99');
  file.close();
  await assert.rejects(Store.open({ path }), { code: 'state-newer', message: /schema 99; this one knows 3/ });
});

test('a file that is no database is refused with a sentence', async () => {
  const path = join(folder, 'broken.db');
  writeFileSync(path, 'this is not a database, and long enough to be read as one: '.repeat(40));
  await assert.rejects(Store.open({ path }), { code: 'state-unreadable' });
});
