import { Fault, isFault } from '@berth/kit';
import type { Image } from '@berth/images';
import type { Context } from './context.ts';
import { invalid } from './faults.ts';

/** `repo` and `tag` as two parameters; without a tag it is `latest`. Faults with Docker's sentences. */
export function joinReference(repository: string, tagText: string): string {
  if (/[A-Z]/.test(repository.split('/').at(-1)?.split(':')[0] ?? '')) {
    throw invalid('reference-invalid', 'invalid reference format: repository name must be lowercase');
  }
  const last = repository.slice(repository.lastIndexOf('/') + 1);
  if (tagText === '') return last.includes(':') ? repository : `${repository}:latest`;
  if (!/^\w[\w.-]{0,127}$/.test(tagText)) throw invalid('reference-invalid', 'invalid tag format');
  return last.includes(':') ? repository.replace(/:[^:/]*$/, `:${tagText}`) : `${repository}:${tagText}`;
}

/**
 * The images a name stands for in an archive: a bare repository is all its tags, also without a `latest` among them. Fault
 * `image-not-found`, where Docker says "No such image: NAME" without a tag.
 */
export function imagesForArchive(context: Context, name: string): readonly Image[] {
  const ofRepository = context.engine.images.list().filter(({ tags }) => tags.some((tag) => tag.slice(0, tag.lastIndexOf(':')) === name));
  if (ofRepository.length > 0) return ofRepository;
  try {
    return [context.engine.images.get(name)];
  } catch (error) {
    if (isFault(error, 'image-not-found')) throw new Fault('not-found', 'image-not-found', `No such image: ${name}`, { cause: error });
    throw error;
  }
}

/**
 * What is to be pulled or pushed: a name and, as a parameter of its own, a tag or digest that replaces the name's. With
 * neither it is all tags. Faults with Docker's sentences; the rest of the grammar is checked by whoever takes the reference.
 */
export function joinPullReference(name: string, tag: string): { reference: string; all: boolean } {
  const trimmed = name.replace(/:$/, '');
  if (trimmed === '') throw invalid('reference-invalid', 'invalid reference format');
  const own = /(?::[^/:@]*)?(?:@[^@]*)?$/.exec(trimmed)?.[0] ?? '';
  const bare = trimmed.slice(0, trimmed.length - own.length);
  if (/[A-Z]/.test(bare.slice(bare.indexOf('/') + 1))) throw invalid('reference-invalid', 'invalid reference format: repository name must be lowercase');
  if (tag === '') return { reference: trimmed, all: own === '' };
  if (tag.includes(':')) return { reference: `${bare}@${tag}`, all: false };
  if (!/^\w[\w.-]{0,127}$/.test(tag)) throw invalid('reference-invalid', 'invalid tag format');
  return { reference: `${bare}:${tag}`, all: false };
}
