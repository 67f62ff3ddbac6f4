import { Filters, parseMoment } from '@berth/docker-wire';
import type { Image, Images } from '@berth/images';
import { matchesGlob } from 'node:path';

/** `docker images`: newest first. Faults with Docker's sentences for filters that can't be. */
export function listImages(images: Images, text: string, reference: string, { all }: { all: boolean }): Image[] {
  const filters = Filters.parse(text, ['dangling', 'label', 'label!', 'before', 'since', 'reference', 'until']);
  const dangling = filters.boolean('dangling');
  const before = filters.values('before').map((name) => images.get(name));
  const since = filters.values('since').map((name) => images.get(name));
  const untils = filters.values('until').map((value) => Number(parseMoment(value, Date.now()) / 1_000_000n));
  const patterns = [...filters.values('reference'), ...(reference === '' ? [] : [reference])];
  return images
    .list()
    .map((image) =>
      patterns.length === 0
        ? image
        : {
            ...image,
            tags: image.tags.filter((tag) => patterns.some((pattern) => matchesReference(tag, pattern))),
            digests: image.digests.filter((digest) => patterns.some((pattern) => matchesReference(digest, pattern))),
          },
    )
    .filter(
      (image) =>
        (all || !isStep(image)) &&
        (dangling === undefined || (image.tags.length === 0 && image.digests.length === 0) === dangling) &&
        filters.labels(image.configuration.config?.Labels ?? {}) &&
        before.every((other) => image.createdAtMs < other.createdAtMs) &&
        since.every((other) => image.createdAtMs > other.createdAtMs) &&
        untils.every((until) => image.createdAtMs < until) &&
        (patterns.length === 0 || image.tags.length > 0 || image.digests.length > 0),
    )
    .sort((a, b) => b.createdAtMs - a.createdAtMs);
}

/** Steps on the way to other images are not shown unless asked for. */
export function isStep(image: Image): boolean {
  return image.hasChildren && image.tags.length === 0 && image.digests.length === 0;
}

/** A pattern fits `name:tag`, `name@digest` or, without a tag of its own, `name`; `*` stays within a path segment. */
function matchesReference(tag: string, pattern: string): boolean {
  return matchesGlob(tag, pattern) || matchesGlob(tag.replace(/(?::[^:/]*|@.*)$/, ''), pattern);
}
