import SqliteDatabase from 'better-sqlite3';
import { closeSync, fdatasync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { isFault } from '@berth/kit';
import { Kysely, SqliteDialect } from 'kysely';
import { stateNewer, stateUnreadable } from './faults.ts';
import { migrations } from './migrations.ts';
import type { Schema } from './schema.ts';

export interface StoreOptions {
  /** Absolute path of the database file; its folder is made. */
  readonly path: string;
}

/**
 * An open state file. A statement or transaction that has resolved survives the end of this process; after `flush` it
 * survives a loss of power too. (WAL with synchronous=NORMAL: a commit waits for no disk, and the file is never torn.)
 */
export class Store implements AsyncDisposable {
  readonly path: string;
  readonly db: Kysely<Schema>;
  readonly #walFd: number;
  #flushing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  private constructor(path: string, db: Kysely<Schema>, walFd: number) {
    this.path = path;
    this.db = db;
    this.#walFd = walFd;
  }

  /**
   * Resolves when all that was committed before the call is on disk. The event loop goes on meanwhile, and calls that come
   * while the disk is busy share the next turn.
   */
  flush(): Promise<void> {
    if (this.#flushing === undefined) return this.#sync();
    this.#next ??= this.#flushing
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#sync();
      });
    return this.#next;
  }

  #sync(): Promise<void> {
    const flushing = promisify(fdatasync)(this.#walFd).finally(() => {
      if (this.#flushing === flushing) this.#flushing = undefined;
    });
    this.#flushing = flushing;
    return flushing;
  }

  /** Opens or makes the file and brings its schema up to date. Faults: `state-newer`, `state-unreadable`. */
  static async open({ path }: StoreOptions): Promise<Store> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    let file: SqliteDatabase.Database | undefined;
    try {
      file = new SqliteDatabase(path, { timeout: 5000 });
      file.pragma('journal_mode = WAL');
      file.pragma('synchronous = NORMAL');
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
      // The log stays the same file for as long as the database is open.
      return new Store(path, db, openSync(`${path}-wal`, 'r'));
    } catch (error) {
      file?.close();
      throw isFault(error) ? error : stateUnreadable(path, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
    await this.#flushing?.catch(() => undefined);
    closeSync(this.#walFd);
  }
}
