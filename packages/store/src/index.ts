/**
 * The rows that outlive the daemon: one SQLite file, its schema with migrations, and a typed query builder over it. What
 * the rows mean is for their owners (the engine) to say; this package only promises that a commit is on disk.
 */
export { Store, type StoreOptions } from './store.ts';
export type { ContainerTable, FactTable, NetworkTable, Schema } from './schema.ts';
