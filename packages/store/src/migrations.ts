import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

/** In order; a migration is never edited once released. Each runs in the transaction that also raises `user_version`. */
export const migrations: readonly ((db: Kysely<Schema>) => Promise<void>)[] = [
  async (db) => {
    await db.schema
      .createTable('containers')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('format', 'integer', (column) => column.notNull())
      .addColumn('definition', 'text', (column) => column.notNull())
      .addColumn('phase', 'text', (column) => column.notNull())
      .addColumn('intent', 'text', (column) => column.notNull())
      .addColumn('run', 'integer', (column) => column.notNull())
      .addColumn('pid', 'integer', (column) => column.notNull())
      .addColumn('exit_code', 'integer', (column) => column.notNull())
      .addColumn('oom_killed', 'integer', (column) => column.notNull())
      .addColumn('error', 'text', (column) => column.notNull())
      .addColumn('started_at_ms', 'integer', (column) => column.notNull())
      .addColumn('finished_at_ms', 'integer', (column) => column.notNull())
      .addColumn('restart_count', 'integer', (column) => column.notNull())
      .addColumn('endpoints', 'text', (column) => column.notNull())
      .addColumn('publications', 'text', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('networks')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('format', 'integer', (column) => column.notNull())
      .addColumn('definition', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'integer', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('facts')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('value', 'text', (column) => column.notNull())
      .execute();
  },
  async (db) => {
    await db.schema
      .alterTable('containers')
      .addColumn('supervision', 'text', (column) => column.notNull().defaultTo('{}'))
      .execute();
  },
  async (db) => {
    await db.schema
      .createTable('volumes')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('format', 'integer', (column) => column.notNull())
      .addColumn('definition', 'text', (column) => column.notNull())
      .addColumn('intent', 'text', (column) => column.notNull())
      .execute();
  },
];
