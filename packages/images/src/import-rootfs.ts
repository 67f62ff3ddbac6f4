import { applyChanges } from './changes/apply-changes.ts';
import { sha256 } from './digest.ts';
import { imageNotFound, referenceInvalid } from './faults.ts';
import { parsePlatform } from './platform.ts';
import type { LayerStore } from './layer/layer-store.ts';
import type { Image, ImageConfiguration, ImageProcessDefaults } from './port.ts';
import { type NamedReference, parseNamed, withDefaultTag } from './reference.ts';
import type { Files } from './store/files.ts';
import type { Rows } from './store/rows.ts';

export interface ImportOptions {
  readonly reference?: string;
  /** Docker's default: `Imported from -`. */
  readonly message?: string;
  readonly changes: readonly string[];
  /** `os[/architecture[/variant]]`. */
  readonly platform?: string;
  /** Instead of now, for images that are to be the same wherever they are made. */
  readonly createdAtMs?: number;
  readonly signal?: AbortSignal;
}

interface ImportContext extends ImportOptions {
  readonly files: Files;
  readonly rows: Rows;
  readonly layers: LayerStore;
  readonly now: () => number;
  readonly architecture: string;
}

/** `docker import`: everything that can be refused is refused before the archive is read. */
export async function importRootfs(archive: AsyncIterable<Buffer>, context: ImportContext): Promise<Image> {
  const { rows, layers } = context;
  const reference = context.reference === undefined || context.reference === '' ? undefined : importReference(context.reference);
  const platform = parsePlatform(context.platform, context.architecture);
  const defaults = applyChanges({}, context.changes);

  await using workspace = await context.files.workspace();
  const { diffId, pinned } = await layers.add(archive, workspace, context.signal);
  using _pinned = pinned;
  const nowMs = context.now();
  const configuration = Buffer.from(
    JSON.stringify(importConfiguration(diffId, defaults, platform, context.message || 'Imported from -', context.createdAtMs ?? nowMs)),
  );
  const id = sha256(configuration);
  rows.transaction(() => {
    rows.putImage(id, configuration, [diffId], nowMs);
    if (reference !== undefined) rows.putTag(reference.name, reference.tag ?? 'latest', id, nowMs);
  });
  return rows.image(id) ?? gone(id);
}

function importReference(text: string): NamedReference {
  const reference = withDefaultTag(parseNamed(text));
  if (reference.digest !== undefined) throw referenceInvalid('cannot import digest reference');
  return reference;
}

function importConfiguration(
  diffId: string,
  config: ImageProcessDefaults,
  platform: { os: string; architecture: string; variant?: string },
  comment: string,
  createdAtMs: number,
): ImageConfiguration {
  const created = new Date(createdAtMs).toISOString();
  return {
    ...platform,
    comment,
    config,
    created,
    history: [{ created, comment }],
    rootfs: { type: 'layers', diff_ids: [diffId] },
  };
}

function gone(id: string): never {
  throw imageNotFound(id);
}
