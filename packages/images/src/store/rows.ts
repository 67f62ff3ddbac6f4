import type Database from 'better-sqlite3';
import type { Image, ImageConfiguration } from '../port.ts';
import { familiarName } from '../reference.ts';

export interface LayerRow {
  readonly diff_id: string;
  /** How its tar is kept beside the squashfs; `none`: in it. */
  readonly compression: 'none' | 'gzip' | 'zstd';
  readonly blob_bytes: number;
  readonly tar_bytes: number;
  readonly content_bytes: number;
  readonly squash_bytes: number;
  readonly opaque: number;
}

interface ImageRow {
  readonly id: string;
  readonly configuration: Buffer;
  readonly last_tagged_at_ms: number;
  readonly removed: number;
}

export interface TagRow {
  readonly name: string;
  readonly tag: string;
}

export interface DigestRow {
  readonly name: string;
  readonly digest: string;
}

/**
 * The rows, and the images read from them, remembered until something changes. Every method is one statement or one
 * transaction; nothing waits.
 */
export class Rows {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  readonly #images = new Map<string, Image>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  transaction<T>(work: () => T): T {
    this.#images.clear();
    try {
      return this.#database.transaction(work).immediate();
    } finally {
      this.#images.clear();
    }
  }

  /**
   * A change that need only outlive this process, not a loss of power: whoever asked for it asks again at the next start.
   * It waits for no disk.
   */
  lightly(change: () => void): void {
    this.#database.pragma('synchronous = NORMAL');
    try {
      change();
    } finally {
      this.#database.pragma('synchronous = FULL');
    }
  }

  close(): void {
    this.#database.close();
  }

  /** Also one that was removed and is only leased. */
  anyImage(id: string): Image | undefined {
    const known = this.#images.get(id);
    if (known !== undefined) return known;
    const row = this.#one<ImageRow>('SELECT * FROM images WHERE id = ?', id);
    if (row === undefined) return undefined;
    const image = this.#toImage(row);
    if (!this.#database.inTransaction) this.#images.set(id, image);
    return image;
  }

  image(id: string): Image | undefined {
    return this.isRemoved(id) === false ? this.anyImage(id) : undefined;
  }

  /** undefined: no such row. */
  isRemoved(id: string): boolean | undefined {
    const row = this.#one<{ removed: number }>('SELECT removed FROM images WHERE id = ?', id);
    return row === undefined ? undefined : row.removed === 1;
  }

  imageIds(): string[] {
    return this.#all<{ id: string }>('SELECT id FROM images WHERE removed = 0').map((row) => row.id);
  }

  removedIds(): string[] {
    return this.#all<{ id: string }>('SELECT id FROM images WHERE removed = 1').map((row) => row.id);
  }

  /** Ids whose hex digits begin so; at most two. */
  imageIdsBeginning(hex: string): string[] {
    return this.#all<{ id: string }>('SELECT id FROM images WHERE removed = 0 AND id >= ? AND id < ? LIMIT 2', `sha256:${hex}`, `sha256:${hex}g`).map(
      (row) => row.id,
    );
  }

  configuration(id: string): Buffer | undefined {
    return this.#one<{ configuration: Buffer }>('SELECT configuration FROM images WHERE id = ?', id)?.configuration;
  }

  putImage(id: string, configuration: Buffer, diffIds: readonly string[], nowMs: number): void {
    this.#run(
      'INSERT INTO images (id, configuration, last_tagged_at_ms) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET removed = 0',
      id,
      configuration,
      nowMs,
    );
    for (const [position, diffId] of diffIds.entries()) {
      this.#run('INSERT INTO image_layers (image_id, position, diff_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING', id, position, diffId);
    }
  }

  markRemoved(id: string): void {
    this.#run('UPDATE images SET removed = 1 WHERE id = ?', id);
  }

  deleteImage(id: string): void {
    this.#run('DELETE FROM images WHERE id = ?', id);
  }

  taggedImage(name: string, tag: string): string | undefined {
    return this.#one<{ image_id: string }>('SELECT image_id FROM tags WHERE name = ? AND tag = ?', name, tag)?.image_id;
  }

  digestedImage(name: string, digest: string): string | undefined {
    return this.#one<{ image_id: string }>('SELECT image_id FROM digests WHERE name = ? AND digest = ?', name, digest)?.image_id;
  }

  tags(imageId: string): TagRow[] {
    return this.#all<TagRow>('SELECT name, tag FROM tags WHERE image_id = ? ORDER BY name, tag', imageId);
  }

  /** All tags of one repository. */
  repository(name: string): (TagRow & { readonly image_id: string })[] {
    return this.#all('SELECT name, tag, image_id FROM tags WHERE name = ? ORDER BY tag', name);
  }

  digests(imageId: string): DigestRow[] {
    return this.#all<DigestRow>('SELECT name, digest FROM digests WHERE image_id = ? ORDER BY name, digest', imageId);
  }

  putTag(name: string, tag: string, imageId: string, nowMs: number): void {
    this.#run('INSERT INTO tags (name, tag, image_id) VALUES (?, ?, ?) ON CONFLICT (name, tag) DO UPDATE SET image_id = excluded.image_id', name, tag, imageId);
    this.#run('UPDATE images SET last_tagged_at_ms = ? WHERE id = ?', nowMs, imageId);
  }

  deleteTag(name: string, tag: string): void {
    this.#run('DELETE FROM tags WHERE name = ? AND tag = ?', name, tag);
  }

  putDigest(name: string, digest: string, imageId: string): void {
    this.#run(
      'INSERT INTO digests (name, digest, image_id) VALUES (?, ?, ?) ON CONFLICT (name, digest) DO UPDATE SET image_id = excluded.image_id',
      name,
      digest,
      imageId,
    );
  }

  deleteDigest(name: string, digest: string): void {
    this.#run('DELETE FROM digests WHERE name = ? AND digest = ?', name, digest);
  }

  layer(diffId: string): LayerRow | undefined {
    return this.#one<LayerRow>('SELECT * FROM layers WHERE diff_id = ?', diffId);
  }

  layers(): LayerRow[] {
    return this.#all<LayerRow>('SELECT * FROM layers');
  }

  putLayer(row: LayerRow): void {
    this.#run(
      'INSERT INTO layers (diff_id, compression, blob_bytes, tar_bytes, content_bytes, squash_bytes, opaque) VALUES (@diff_id, @compression, @blob_bytes, @tar_bytes, @content_bytes, @squash_bytes, @opaque)',
      row,
    );
  }

  deleteLayer(diffId: string): void {
    this.#run('DELETE FROM layers WHERE diff_id = ?', diffId);
  }

  /** Layers that are part of no image, not even of one that is only leased, and wait for none. */
  unusedLayers(nowMs: number): LayerRow[] {
    return this.#all<LayerRow>(
      'SELECT * FROM layers WHERE diff_id NOT IN (SELECT diff_id FROM image_layers) AND diff_id NOT IN (SELECT diff_id FROM held_layers WHERE until_ms > ?)',
      nowMs,
    );
  }

  /** The diff ids of every image, leased ones too, lowest first. */
  allLayerChains(): string[][] {
    const chains = new Map<string, string[]>();
    for (const row of this.#all<{ image_id: string; diff_id: string }>('SELECT image_id, diff_id FROM image_layers ORDER BY image_id, position')) {
      const chain = chains.get(row.image_id) ?? [];
      chain.push(row.diff_id);
      chains.set(row.image_id, chain);
    }
    return [...chains.values()];
  }

  putLease(owner: string, imageId: string): void {
    this.#run('INSERT INTO leases (owner, image_id) VALUES (?, ?) ON CONFLICT DO NOTHING', owner, imageId);
  }

  deleteLeases(owner: string): void {
    this.#run('DELETE FROM leases WHERE owner = ?', owner);
  }

  leasedImages(owner: string): string[] {
    return this.#all<{ image_id: string }>('SELECT image_id FROM leases WHERE owner = ?', owner).map((row) => row.image_id);
  }

  isLeased(imageId: string): boolean {
    return this.#one('SELECT 1 FROM leases WHERE image_id = ?', imageId) !== undefined;
  }

  /** Of leases whose owners' names begin so: nobody of that kind outlives the process. */
  deleteLeasesBeginning(prefix: string): void {
    this.#run('DELETE FROM leases WHERE substr(owner, 1, ?) = ?', prefix.length, prefix);
  }

  putBuild(imageId: string, parentId: string, key: string): void {
    this.#run('INSERT INTO builds (image_id, parent_id, key) VALUES (?, ?, ?) ON CONFLICT (image_id) DO NOTHING', imageId, parentId, key);
  }

  buildKey(imageId: string): string | undefined {
    return this.#one<{ key: string }>('SELECT key FROM builds WHERE image_id = ?', imageId)?.key;
  }

  /** Of images whose step's key begins so: they are removed, and go when nothing holds them. */
  markBuildsRemoved(prefix: string): void {
    this.#run('UPDATE images SET removed = 1 WHERE id IN (SELECT image_id FROM builds WHERE substr(key, 1, ?) = ?)', prefix.length, prefix);
  }

  /** The latest that is not removed. */
  builtImage(parentId: string, key: string): string | undefined {
    return this.#one<{ id: string }>(
      'SELECT id FROM builds JOIN images ON images.id = builds.image_id WHERE parent_id = ? AND key = ? AND removed = 0 ORDER BY builds.rowid DESC LIMIT 1',
      parentId,
      key,
    )?.id;
  }

  /** What it was made of: '' when that was nothing, is gone, or isn't known. */
  parent(imageId: string): string {
    const sql = 'SELECT parent_id FROM builds JOIN images ON images.id = builds.parent_id WHERE image_id = ? AND removed = 0';
    return this.#one<{ parent_id: string }>(sql, imageId)?.parent_id ?? '';
  }

  hasChildren(imageId: string): boolean {
    return this.#one('SELECT 1 FROM builds JOIN images ON images.id = builds.image_id WHERE parent_id = ? AND removed = 0', imageId) !== undefined;
  }

  fact(key: string): string | undefined {
    return this.#one<{ value: string }>('SELECT value FROM facts WHERE key = ?', key)?.value;
  }

  putFact(key: string, value: string): void {
    this.#run('INSERT INTO facts (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value', key, value);
  }

  #toImage(row: ImageRow): Image {
    const configuration = JSON.parse(row.configuration.toString()) as ImageConfiguration;
    const layers = this.#all<{ diff_id: string; content_bytes: number }>(
      'SELECT diff_id, content_bytes FROM image_layers JOIN layers USING (diff_id) WHERE image_id = ? ORDER BY position',
      row.id,
    ).map((layer) => ({ diffId: layer.diff_id, sizeBytes: layer.content_bytes }));
    const createdAtMs = Date.parse(configuration.created ?? '');
    return {
      id: row.id,
      configuration,
      tags: this.tags(row.id).map(({ name, tag }) => `${familiarName(name)}:${tag}`),
      digests: this.digests(row.id).map(({ name, digest }) => `${familiarName(name)}@${digest}`),
      sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
      layers,
      createdAtMs: Number.isNaN(createdAtMs) ? 0 : createdAtMs,
      lastTaggedAtMs: row.last_tagged_at_ms,
      parentId: this.parent(row.id),
      hasChildren: this.hasChildren(row.id),
    };
  }

  #prepare(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #one<T>(sql: string, ...values: unknown[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  #all<T>(sql: string, ...values: unknown[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  #run(sql: string, ...values: unknown[]): void {
    this.#prepare(sql).run(...values);
  }
}
