import Database from 'better-sqlite3';
import { storeInUse, withDiskFull } from '../faults.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS images (
  id TEXT PRIMARY KEY,
  configuration BLOB NOT NULL,
  last_tagged_at_ms INTEGER NOT NULL,
  -- Removed by its user, kept because a lease needs it.
  removed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS image_layers (
  image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  diff_id TEXT NOT NULL REFERENCES layers(diff_id),
  PRIMARY KEY (image_id, position)
) STRICT;
CREATE INDEX IF NOT EXISTS image_layers_by_layer ON image_layers(diff_id);
CREATE TABLE IF NOT EXISTS layers (
  diff_id TEXT PRIMARY KEY,
  -- Of the tar kept beside the squashfs, gzip or zstd; or none: it is in the squashfs.
  compression TEXT NOT NULL,
  blob_bytes INTEGER NOT NULL,
  tar_bytes INTEGER NOT NULL,
  content_bytes INTEGER NOT NULL,
  squash_bytes INTEGER NOT NULL,
  -- The root hides all below it.
  opaque INTEGER NOT NULL
) STRICT;
DROP TABLE IF EXISTS merged;
CREATE TABLE IF NOT EXISTS tags (
  name TEXT NOT NULL,
  tag TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES images(id),
  PRIMARY KEY (name, tag)
) STRICT;
CREATE INDEX IF NOT EXISTS tags_by_image ON tags(image_id);
CREATE TABLE IF NOT EXISTS digests (
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES images(id),
  PRIMARY KEY (name, digest)
) STRICT;
CREATE INDEX IF NOT EXISTS digests_by_image ON digests(image_id);
CREATE TABLE IF NOT EXISTS leases (
  owner TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES images(id),
  PRIMARY KEY (owner, image_id)
) STRICT;
CREATE INDEX IF NOT EXISTS leases_by_image ON leases(image_id);
-- Manifests images were pulled or pushed by: verbatim, so that a digest stays the same from registry to registry.
CREATE TABLE IF NOT EXISTS manifests (
  digest TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
  media_type TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (digest, image_id)
) STRICT;
CREATE INDEX IF NOT EXISTS manifests_by_image ON manifests(image_id);
-- A layer as registries know it, and the repositories that have it so.
CREATE TABLE IF NOT EXISTS layer_blobs (
  diff_id TEXT NOT NULL REFERENCES layers(diff_id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  repository TEXT NOT NULL,
  PRIMARY KEY (diff_id, digest, repository)
) STRICT;
-- What a build made an image of, and by what: its cache.
CREATE TABLE IF NOT EXISTS builds (
  image_id TEXT PRIMARY KEY REFERENCES images(id) ON DELETE CASCADE,
  -- '' when it began from nothing. The parent may be gone.
  parent_id TEXT NOT NULL,
  key TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS builds_by_step ON builds(parent_id, key);
-- Finished layers of a pull that has not come to its end: kept until then, so that it can be repeated.
CREATE TABLE IF NOT EXISTS held_layers (
  diff_id TEXT PRIMARY KEY REFERENCES layers(diff_id) ON DELETE CASCADE,
  until_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS facts (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
`;

/**
 * Opens the rows of an image store. One process at a time: the lock is SQLite's own, held until the process ends, so that
 * the sweep at open can't take another process's work for leftovers. Fault `store-in-use`.
 */
export function openDatabase(path: string, directory: string): Database.Database {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: 500 });
    database.pragma('locking_mode = EXCLUSIVE');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.exec(SCHEMA);
    database.exec('BEGIN IMMEDIATE; COMMIT');
    return database;
  } catch (error) {
    database?.close();
    if ((error as NodeJS.ErrnoException).code?.startsWith('SQLITE_BUSY')) throw storeInUse(directory, error);
    throw withDiskFull(error);
  }
}
