import SqliteDatabase from 'better-sqlite3';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isFault } from '@berth/kit';
import { Kysely, SqliteDialect } from 'kysely';
import { stateNewer, stateUnreadable } from './faults.ts';
import { migrations } from './migrations.ts';
import type { Schema } from './schema.ts';

export interface StoreOptions {
  /** Absolute path of the database file; its folder is made. */
  readonly path: string;
}

/** An open state file. A statement or transaction that has resolved survives a loss of power (WAL, synchronous=FULL). */
export class Store implements AsyncDisposable {
  readonly path: string;
  readonly db: Kysely<Schema>;

  private constructor(path: string, db: Kysely<Schema>) {
    this.path = path;
    this.db = db;
  }

  /** Opens or makes the file and brings its schema up to date. Faults: `state-newer`, `state-unreadable`. */
  static async open({ path }: StoreOptions): Promise<Store> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    let file: SqliteDatabase.Database | undefined;
    try {
      file = new SqliteDatabase(path, { timeout: 5000 });
      file.pragma('journal_mode = WAL');
      file.pragma('synchronous = FULL');
      file.pragma('foreign_keys = ON');
      const found = Number(file.pragma('user_version', { simple: true }));
      if (found > migrations.length) throw stateNewer(path, found, migrations.length);
      const opened = file;
      const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: opened }) });
      for (const [index, migrate] of migrations.entries()) {
        if (index < found) continue;
        await db.transaction().execute(async (transaction) => {
          await migrate(transaction);
          opened.pragma(`user_version = ${index + 1}`);
        });
      }
      return new Store(path, db);
    } catch (error) {
      file?.close();
      throw isFault(error) ? error : stateUnreadable(path, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
  }
}
