import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** SHA-256 over names and contents of all files below the given paths; a path that does not exist counts as empty. */
export function contentDigest(root, paths, extra = '') {
  const hash = createHash('sha256').update(extra);
  for (const path of paths) addTo(hash, root, path);
  return hash.digest('hex');
}

function addTo(hash, root, path) {
  const whole = join(root, path);
  if (!existsSync(whole)) return;
  if (statSync(whole).isDirectory()) {
    for (const name of readdirSync(whole).sort()) if (name !== 'node_modules') addTo(hash, root, join(path, name));
    return;
  }
  const content = readFileSync(whole);
  hash.update(`${path}\0${content.length}\0`).update(content);
}

/** Is `product` there and made from these contents? */
export function isCurrent(stampFile, digest, products) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === digest && products.every((product) => existsSync(product));
}

export function writeStamp(stampFile, digest) {
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, digest);
}
