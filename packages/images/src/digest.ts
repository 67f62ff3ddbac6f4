import { createHash } from 'node:crypto';

/** `sha256:` and 64 lower-case hex digits. */
export function sha256(data: Buffer | string): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** The hex digits alone, as file names use them. */
export function hexOf(digest: string): string {
  return digest.slice(7);
}

/** Docker's chain ids: each layer's identity together with all below it (OCI image-spec, "Layer ChainID"). */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : sha256(`${below} ${diffId}`));
  }
  return chain;
}
