import { imageNotFound, referenceDoesNotExist } from '../faults.ts';
import type { Image } from '../port.ts';
import { type NamedReference, parseReference } from '../reference.ts';
import type { Rows, TagRow } from '../store/rows.ts';

export interface SavedImage {
  readonly image: Image;
  /** Verbatim. */
  readonly configuration: Buffer;
  /** Full names, `docker.io/library/busybox` and `latest`. */
  readonly names: readonly TagRow[];
}

/**
 * What `docker save` takes for its arguments (moby image/tarexport): a repository alone means all its tags, an id takes
 * the image without names, and an image named several times is saved once with all those names.
 */
export function chooseToSave(references: readonly string[], rows: Rows): SavedImage[] {
  const chosen = new Map<string, { image: Image; configuration: Buffer; names: TagRow[] }>();
  const add = (id: string, name?: TagRow) => {
    const image = rows.image(id);
    const configuration = rows.configuration(id);
    if (image === undefined || configuration === undefined) throw imageNotFound(id);
    const entry = chosen.get(id) ?? { image, configuration, names: [] };
    chosen.set(id, entry);
    if (name !== undefined && !entry.names.some((known) => known.name === name.name && known.tag === name.tag)) entry.names.push(name);
  };
  for (const text of references) {
    const reference = parseReference(text);
    if (reference.kind === 'digest') add(reference.digest);
    else if (isNameOnly(reference)) {
      const tags = rows.repository(reference.name);
      for (const { name, tag, image_id: id } of tags) add(id, { name, tag });
      if (tags.length === 0) add(byPrefix(text, rows));
    } else if (/^sha256:[0-9a-f]+$/.test(text)) add(byPrefix(text, rows));
    else {
      const { name, tag = '', digest } = reference;
      const id = digest === undefined ? rows.taggedImage(name, tag) : rows.digestedImage(name, digest);
      if (id === undefined) throw referenceDoesNotExist();
      add(id, digest === undefined ? { name, tag } : undefined);
    }
  }
  return [...chosen.values()];
}

function isNameOnly(reference: NamedReference): boolean {
  return reference.tag === undefined && reference.digest === undefined;
}

function byPrefix(text: string, rows: Rows): string {
  const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
  const ids = hex === undefined ? [] : rows.imageIdsBeginning(hex);
  if (ids.length !== 1 || ids[0] === undefined) throw imageNotFound(text);
  return ids[0];
}
