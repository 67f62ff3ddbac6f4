import type Database from 'better-sqlite3';

export interface ManifestRow {
  readonly digest: string;
  readonly media_type: string;
  readonly body: Buffer;
}

export interface LayerBlobRow {
  readonly diff_id: string;
  readonly digest: string;
  readonly size_bytes: number;
  readonly media_type: string;
  /** Full name: with the registry's host. */
  readonly repository: string;
}

/** What is remembered of registries. On the connection of `Rows`, whose transactions hold for these statements, too. */
export class DistributionRows {
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  putManifest(imageId: string, { digest, media_type, body }: ManifestRow): void {
    this.#database
      .prepare('INSERT INTO manifests (digest, image_id, media_type, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
      .run(digest, imageId, media_type, body);
  }

  /** Newest first. */
  manifests(imageId: string): ManifestRow[] {
    return this.#database.prepare('SELECT digest, media_type, body FROM manifests WHERE image_id = ? ORDER BY rowid DESC').all(imageId) as ManifestRow[];
  }

  putLayerBlob(row: LayerBlobRow): void {
    this.#database
      .prepare(
        'INSERT INTO layer_blobs (diff_id, digest, size_bytes, media_type, repository) VALUES (@diff_id, @digest, @size_bytes, @media_type, @repository) ON CONFLICT DO NOTHING',
      )
      .run(row);
  }

  layerBlobs(diffId: string): LayerBlobRow[] {
    return this.#database.prepare('SELECT * FROM layer_blobs WHERE diff_id = ? ORDER BY rowid DESC').all(diffId) as LayerBlobRow[];
  }

  /** Keeps a layer that no image has yet. */
  hold(diffId: string, untilMs: number): void {
    this.#database
      .prepare('INSERT INTO held_layers (diff_id, until_ms) VALUES (?, ?) ON CONFLICT (diff_id) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)')
      .run(diffId, untilMs);
  }

  release(diffId: string): void {
    this.#database.prepare('DELETE FROM held_layers WHERE diff_id = ?').run(diffId);
  }

  releaseAll(): void {
    this.#database.prepare('DELETE FROM held_layers').run();
  }
}
