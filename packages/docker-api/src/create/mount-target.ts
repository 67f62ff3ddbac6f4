import { posix } from 'node:path';
import { invalid } from '../faults.ts';

/** A place in a container, tidied. Faults with Docker's sentences: `mount-invalid`; `context` stands before them. */
export function mountTarget(target: string, context = ''): string {
  if (target === '') throw invalid('mount-invalid', `${context}field Target must not be empty`);
  if (!target.startsWith('/')) throw invalid('mount-invalid', `${context}invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(.)\/$/, '$1');
  if (clean === '/') throw invalid('mount-invalid', `${context}invalid specification: destination can't be '/'`);
  return clean;
}
