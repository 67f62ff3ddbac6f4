import { shortId } from '@berth/kit';
import { archiveInvalid } from '../faults.ts';
import type { LayerStore } from '../layer/layer-store.ts';
import type { Limits } from '../limits.ts';
import type { Image, Progress } from '../port.ts';
import { familiar, type NamedReference, parseNamed, withDefaultTag } from '../reference.ts';
import type { Files, Workspace } from '../store/files.ts';
import type { Rows } from '../store/rows.ts';
import type { ArchivedImage } from './archived-image.ts';
import type { Platform } from './oci-archive.ts';
import { readArchive } from './read-archive.ts';
import { Spool } from './spool.ts';

interface LoadContext {
  readonly files: Files;
  readonly rows: Rows;
  readonly layers: LayerStore;
  readonly limits: Limits;
  readonly now: () => number;
  readonly platform: Platform;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** What one waits for (the disk, the other program), the other uses. */
const LAYERS_AT_A_TIME = 2;

/**
 * `docker load`. Each image is stored as a whole, one after the other; when one of them is refused, those before it stay,
 * as with dockerd.
 */
export async function loadArchive(archive: AsyncIterable<Buffer>, context: LoadContext): Promise<Image[]> {
  await using workspace = await context.files.workspace();
  const spool = await Spool.receive(archive, workspace, context.limits, context.signal);
  const loaded: Image[] = [];
  const archived = await readArchive(spool, context.platform);
  // A layer's file goes where it is kept, and several images may have it.
  using _pinned = context.layers.pin(archived.flatMap(({ layers }) => layers.map(({ diffId }) => diffId)));
  for (const found of archived) {
    const references = found.references.map((text) => withDefaultTag(parseNamed(text)));
    if (references.some((reference) => reference.tag === undefined)) throw archiveInvalid('invalid tag');
    loaded.push(await loadImage(found, references, workspace, context));
  }
  return loaded;
}

async function loadImage(found: ArchivedImage, references: readonly NamedReference[], workspace: Workspace, context: LoadContext): Promise<Image> {
  const { rows, layers, progress, signal } = context;
  const diffIds = found.layers.map((layer) => layer.diffId);
  const store = async (position: number, { diffId, file }: ArchivedImage['layers'][number]) => {
    if (rows.layer(diffId) !== undefined) return;
    const detail = (current: number) => ({ status: 'Loading layer', progressDetail: { current, total: file.sizeBytes }, id: shortId(diffId) });
    progress(detail(0));
    const expected = { diffId, complaint: `diffID for layer ${position}` };
    const progressed = (bytes: number) => progress(detail(Math.min(bytes, file.sizeBytes)));
    await layers.ensure(
      diffId,
      {
        from: file.layer === undefined ? { file: file.path, offset: file.offset } : { written: file.layer },
        expected,
        progressed,
        ...(signal === undefined ? {} : { signal }),
      },
      workspace,
    );
    progress(detail(file.sizeBytes));
  };
  await eachOf([...found.layers.entries()], LAYERS_AT_A_TIME, ([position, layer]) => store(position, layer));

  const renamed: { name: string; before: string }[] = [];
  rows.transaction(() => {
    const nowMs = context.now();
    rows.putImage(found.id, found.configuration, diffIds, nowMs);
    for (const reference of references) {
      const tag = reference.tag ?? 'latest';
      const before = rows.taggedImage(reference.name, tag);
      if (before !== undefined && before !== found.id) renamed.push({ name: familiar(reference), before });
      rows.putTag(reference.name, tag, found.id, nowMs);
    }
  });
  for (const { name, before } of renamed) {
    progress({ stream: `The image ${name} already exists, renaming the old one with ID ${before} to empty string\n` });
  }
  for (const reference of references) progress({ stream: `Loaded image: ${familiar(reference)}\n` });
  if (references.length === 0) progress({ stream: `Loaded image ID: ${found.id}\n` });
  const image = rows.image(found.id);
  if (image === undefined) throw archiveInvalid(`image ${found.id} was removed while it was loaded`);
  return image;
}

/** Does the work for each, so many at a time. The first failure is what is thrown, once nothing is under way any more. */
async function eachOf<T>(items: readonly T[], atATime: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined && failures.length === 0; item = queue.shift())
      await work(item).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  if (failures.length > 0) throw failures[0];
}
