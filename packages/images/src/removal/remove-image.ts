import { shortId } from '@berth/kit';
import { chainIds } from '../digest.ts';
import { imageInUse } from '../faults.ts';
import type { Image } from '../port.ts';
import { familiar, familiarName, parseNamed, withDefaultTag } from '../reference.ts';
import type { Rows } from '../store/rows.ts';

export type Removal = { Untagged: string } | { Deleted: string };

export interface ImageUser {
  readonly containerId: string;
  readonly imageId: string;
  readonly running: boolean;
}

interface Named {
  readonly name: string;
  readonly tag?: string;
  readonly digest?: string;
}

/**
 * Docker's rules for `rmi` (moby daemon/images/image_delete.go), on rows alone: which names go, when the image goes, and
 * in which words it refuses. Runs inside one transaction. Gives the removals in order.
 */
export function removeImage(rows: Rows, image: Image, given: string, options: { force: boolean; prune: boolean; users: readonly ImageUser[] }): Removal[] {
  const removals: Removal[] = [];
  const users = options.users.filter((user) => user.imageId === image.id);
  const byId = image.id.startsWith(given) || image.id.slice(7).startsWith(given);
  if (byId) {
    if (isSingle(references(rows, image.id))) {
      // The names go with the image, so they are no hindrance.
      checkConflict(rows, image.id, users, { soft: !options.force, names: false });
      for (const named of references(rows, image.id)) untag(rows, named, removals);
    }
  } else {
    const user = users[0];
    if (!options.force && user !== undefined && isSingle(references(rows, image.id))) {
      throw imageInUse(
        `conflict: unable to remove repository reference ${JSON.stringify(given)} (must force) - container ${shortId(user.containerId)} is using its referenced image ${shortId(image.id)}`,
      );
    }
    const named = withDefaultTag(parseNamed(given));
    untag(rows, named.digest === undefined ? named : { name: named.name, digest: named.digest }, removals);
    const left = references(rows, image.id);
    // Digests alone don't keep an image: they go with the last tag of their repository.
    if (named.digest === undefined && !left.some((other) => other.name === named.name && other.digest === undefined)) {
      for (const other of left) if (other.name === named.name) untag(rows, other, removals);
    }
    if (references(rows, image.id).length > 0) return removals;
    // The name has gone: that a container still uses the image is no error any more.
    if (users.some((one) => one.running) || (!options.force && users.length > 0) || rows.hasChildren(image.id)) return removals;
  }
  checkConflict(rows, image.id, users, { soft: !options.force, names: true });
  for (const named of references(rows, image.id)) untag(rows, named, removals);
  dropImage(rows, image, removals);
  if (options.prune) dropAncestors(rows, image, removals, new Set(options.users.map((user) => user.imageId)));
  return removals;
}

/** The steps of a build go with the last image they led to, as far as they have no name and no container. */
export function dropAncestors(rows: Rows, image: Image, removals: Removal[], used: ReadonlySet<string>): void {
  for (let parent = rows.image(image.parentId); parent !== undefined; parent = rows.image(parent.parentId)) {
    if (used.has(parent.id) || rows.hasChildren(parent.id) || references(rows, parent.id).length > 0) return;
    dropImage(rows, parent, removals);
  }
}

/** Deletes the image's row and its layers' rows, as far as nothing else needs them. */
export function dropImage(rows: Rows, image: Image, removals: Removal[]): void {
  removals.push({ Deleted: image.id });
  if (rows.isLeased(image.id)) {
    rows.markRemoved(image.id);
    return;
  }
  rows.deleteImage(image.id);
  const used = new Set(rows.allLayerChains().flatMap((chain) => chainIds(chain)));
  for (const chainId of chainIds(image.layers.map((layer) => layer.diffId)).toReversed()) {
    if (!used.has(chainId)) removals.push({ Deleted: chainId });
  }
}

function checkConflict(rows: Rows, imageId: string, users: readonly ImageUser[], mask: { soft: boolean; names: boolean }): void {
  const refuse = (how: string, why: string) => imageInUse(`conflict: unable to delete ${shortId(imageId)} (${how}) - ${why}`);
  if (rows.hasChildren(imageId)) throw refuse('cannot be forced', 'image has dependent child images');
  const running = users.find((user) => user.running);
  if (running !== undefined) throw refuse('cannot be forced', `image is being used by running container ${shortId(running.containerId)}`);
  if (!mask.soft) return;
  if (mask.names && references(rows, imageId).length > 0) throw refuse('must be forced', 'image is referenced in multiple repositories');
  const stopped = users[0];
  if (stopped !== undefined) throw refuse('must be forced', `image is being used by stopped container ${shortId(stopped.containerId)}`);
}

function references(rows: Rows, imageId: string): Named[] {
  return [...rows.tags(imageId), ...rows.digests(imageId)].sort((a, b) => (written(a) < written(b) ? -1 : 1));
}

/** At most one tag, and all within one repository. */
function isSingle(names: readonly Named[]): boolean {
  const tags = names.filter((named) => named.digest === undefined);
  return tags.length <= 1 && new Set(names.map((named) => named.name)).size <= 1;
}

function untag(rows: Rows, named: Named, removals: Removal[]): void {
  if (named.digest !== undefined) rows.deleteDigest(named.name, named.digest);
  else rows.deleteTag(named.name, named.tag ?? '');
  removals.push({ Untagged: written(named) });
}

function written(named: Named): string {
  return named.digest !== undefined ? `${familiarName(named.name)}@${named.digest}` : familiar({ kind: 'named', name: named.name, tag: named.tag ?? '' });
}
