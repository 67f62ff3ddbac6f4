import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../..');

/** Berth's version, as package.json has it. */
export function version(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

/** The first digits of the commit this tree stands on; `unknown` outside a clone. Read from the files, git is not needed. */
export function commit(): string {
  try {
    const head = readFileSync(join(root, '.git/HEAD'), 'utf8').trim();
    const reference = /^ref: (.+)$/.exec(head)?.[1];
    return (reference === undefined ? head : referenced(reference)).slice(0, 12);
  } catch {
    return 'unknown';
  }
}

function referenced(reference: string): string {
  try {
    return readFileSync(join(root, '.git', reference), 'utf8').trim();
  } catch {
    const packed = readFileSync(join(root, '.git/packed-refs'), 'utf8');
    return (
      packed
        .split('\n')
        .find((line) => line.endsWith(` ${reference}`))
        ?.split(' ')[0] ?? 'unknown'
    );
  }
}
