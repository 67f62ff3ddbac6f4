import { randomBytes } from 'node:crypto';

declare const brand: unique symbol;
type Branded<T extends string> = string & { readonly [brand]: T };

/** 64 lower-case hex digits. */
export type ContainerId = Branded<'container'>;
/** 64 lower-case hex digits. */
export type NetworkId = Branded<'network'>;
/** `sha256:` and 64 lower-case hex digits: the digest of the image's configuration. */
export type ImageId = Branded<'image'>;

/** A fresh id as Docker makes them: 64 hex digits, and never one that could be read as a decimal number. */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!/^\d+$/.test(id.slice(0, 12))) return id;
  }
}

/** The twelve digits people see. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
